/** SHA-256 of many short messages at once, four at a time in the lanes of a vector (FIPS 180-4). */
export { createVectorRowHashing } from './vector-rows.js';
