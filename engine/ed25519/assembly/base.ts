/** The base point B (RFC 8032 section 5.1) and what is computed from it once. */
import { prepareCombination } from './combination';
import { POINT_BYTES, setAffine } from './edwards';
import { BASE_TABLE, PRODUCTS, ROWS } from './memory';
import { BASE_WIDTH, BASE_WINDOWS } from './shape';
import { buildTable } from './table';

/** y = 4/5, and the x that is even. */
const BASE_X = memory.data<i32>([
  254137626, 179399428, 157936818, 428785962, 231065234, 286850795, 268108435, 444181962, 2189622,
]);
const BASE_Y = memory.data<i32>([
  107374168, 322122547, 429496729, 214748364, 107374182, 322122547, 429496729, 214748364, 6710886,
]);

const point = memory.data(POINT_BYTES, 8);

/** Computes the tables of B. To be called once, before everything else. */
export function prepare(): void {
  setAffine(point, BASE_X, BASE_Y);
  prepareCombination(point);
  buildTable(BASE_TABLE, point, BASE_WINDOWS, BASE_WIDTH, ROWS, PRODUCTS);
}
