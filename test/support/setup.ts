// Runs before every test file: property tests draw from the seed that SEED asks for.

import fc from "fast-check";
import { testSeed } from "./seed.js";

fc.configureGlobal({ seed: testSeed() });
