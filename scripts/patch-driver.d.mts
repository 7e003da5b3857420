/** Writes the repaired copy of the PostgreSQL driver unless it is there already; returns whether there was something to do. */
export declare function patchDriver(): boolean;
