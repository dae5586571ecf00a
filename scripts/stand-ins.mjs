// Stand-ins for manifests that others import and that the packages of both leave out: one of Google's, 27 of Envoy's (its
// old API and other projects'). They have only the names that are used, as empty messages and enums without values to speak
// of. With them the manifests that import such a file link, generate and compile, too.

/** For each file the messages and the enums in it, or its text; its package follows from its path where none is given. */
export const GOOGLE_STAND_INS = {
  "google/protobuf/unittest.proto": { package: "proto2_unittest", messages: ["TestAllExtensions"] },
};

/** The same of Envoy's. */
export const ENVOY_STAND_INS = {
  "envoy/admin/v2alpha/config_dump.proto": {
    messages: ["ClustersConfigDump", "ListenersConfigDump", "RoutesConfigDump", "ScopedRoutesConfigDump"],
  },
  "envoy/api/v2/auth/secret.proto": { messages: ["Secret"] },
  "envoy/api/v2/cluster.proto": {
    text: "message Cluster {\n  message RefreshRate {}\n  enum DnsLookupFamily {\n    AUTO = 0;\n  }\n}\n",
  },
  "envoy/api/v2/core/address.proto": { messages: ["Address", "BindConfig", "CidrRange", "SocketAddress"] },
  "envoy/api/v2/core/base.proto": {
    messages: [
      ...["DataSource", "HeaderMap", "HeaderValue", "HeaderValueOption", "Locality", "Metadata", "Node"],
      ...["RuntimeFeatureFlag", "RuntimeFractionalPercent", "RuntimeUInt32", "TransportSocket"],
    ],
    enums: ["RequestMethod"],
  },
  "envoy/api/v2/core/config_source.proto": { messages: ["ApiConfigSource", "ConfigSource"] },
  "envoy/api/v2/core/event_service_config.proto": { messages: ["EventServiceConfig"] },
  "envoy/api/v2/core/grpc_method_list.proto": { messages: ["GrpcMethodList"] },
  "envoy/api/v2/core/grpc_service.proto": { messages: ["GrpcService"] },
  "envoy/api/v2/core/health_check.proto": { messages: ["HealthCheck"], enums: ["HealthStatus"] },
  "envoy/api/v2/core/http_uri.proto": { messages: ["HttpUri"] },
  "envoy/api/v2/core/protocol.proto": {
    messages: ["Http1ProtocolOptions", "Http2ProtocolOptions", "HttpProtocolOptions"],
  },
  "envoy/api/v2/core/socket_option.proto": { messages: ["SocketOption"] },
  "envoy/api/v2/discovery.proto": {
    messages: ["DeltaDiscoveryRequest", "DeltaDiscoveryResponse", "DiscoveryRequest", "DiscoveryResponse"],
  },
  "envoy/api/v2/endpoint/endpoint_components.proto": { messages: ["Endpoint"] },
  "envoy/api/v2/endpoint/load_report.proto": { messages: ["ClusterStats"] },
  "envoy/api/v2/listener.proto": { messages: ["Listener"] },
  "envoy/api/v2/ratelimit/ratelimit.proto": { messages: ["RateLimitDescriptor"] },
  "envoy/api/v2/route.proto": { messages: ["RouteConfiguration"] },
  "envoy/api/v2/route/route_components.proto": {
    messages: ["HeaderMatcher", "QueryParameterMatcher", "RateLimit", "RouteMatch", "WeightedCluster"],
  },
  "envoy/api/v2/scoped_route.proto": { messages: ["ScopedRouteConfiguration"] },
  "google/logging/type/log_severity.proto": { enums: ["LogSeverity"] },
  "google/longrunning/operations.proto": {
    text: `import "google/protobuf/descriptor.proto";
extend google.protobuf.MethodOptions {
  OperationInfo operation_info = 1049;
}
message Operation {}
message OperationInfo {
  string response_type = 1;
  string metadata_type = 2;
}
`,
  },
  "io/prometheus/client/metrics.proto": { messages: ["MetricFamily"] },
  "opencensus/proto/trace/v1/trace.proto": { messages: ["Span"] },
  "opencensus/proto/trace/v1/trace_config.proto": { messages: ["TraceConfig"] },
  "opentelemetry/proto/common/v1/common.proto": { messages: ["AnyValue", "KeyValueList"] },
};

/** The text of the stand-in for the manifest at `path`. */
export function standInText(path, { package: name, messages = [], enums = [], text = "" }) {
  const lines = [
    'syntax = "proto3";',
    `package ${name ?? path.slice(0, path.lastIndexOf("/")).replaceAll("/", ".")};`,
    ...messages.map((name) => `message ${name} {}`),
    // The values of an enum are names of its package.
    ...enums.map((name) => `enum ${name} {\n  ${name.toUpperCase()}_UNSPECIFIED = 0;\n}`),
  ];
  return `${lines.join("\n")}\n${text}`;
}
