/** The seeded simulator: the real sequencer core in a world where everything that can fail does. */
export { MUTATIONS } from './mutations.js';
export { SIMULATION_STEPS, type SimulationOptions, type SimulationResult, simulate } from './simulate.js';
