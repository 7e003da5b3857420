// Where the service is and how hard it is pressed. Pure: `env` is k6's __ENV, or an object in tests.

export const PROFILES = ['smoke', 'sustained', 'stress'];

/** Virtual users and time by profile; `weight` scales them to what one iteration of a script costs. */
const STAGES = {
  smoke: [{ duration: '10s', target: 1 }],
  sustained: [
    { duration: '30s', target: 16 },
    { duration: '5m', target: 16 },
    { duration: '15s', target: 0 },
  ],
  stress: [
    { duration: '1m', target: 32 },
    { duration: '1m', target: 64 },
    { duration: '1m', target: 128 },
    { duration: '1m', target: 256 },
    { duration: '30s', target: 0 },
  ],
};

/** Under stress the service may refuse (503 with Retry-After) and be slow; it may not fail. */
const LIMITS = {
  smoke: { failed: 0.001, p95: 500 },
  sustained: { failed: 0.001, p95: 500 },
  stress: { failed: 0.2, p95: 5000 },
};

export function readConfig(env) {
  const profile = env.PROFILE || 'smoke';
  if (!PROFILES.includes(profile)) throw new Error(`PROFILE: one of ${PROFILES.join(', ')}, not ${profile}`);
  return {
    profile,
    url: (env.BASE_URL || 'http://127.0.0.1:8080').replace(/\/$/, ''),
    adminKey: env.ADMIN_API_KEY || '',
    apiKey: env.API_KEY || env.ADMIN_API_KEY || '',
    directory: env.PREPARED || './data',
  };
}

/** The `options` of a script. */
export function optionsFor(profile, weight = 1, thresholds = {}) {
  const { failed, p95 } = LIMITS[profile];
  return {
    scenarios: {
      [profile]: {
        executor: 'ramping-vus',
        startVUs: 1,
        stages: STAGES[profile].map(({ duration, target }) => ({
          duration,
          target: target === 0 ? 0 : Math.max(1, Math.round(target * weight)),
        })),
        gracefulRampDown: '10s',
      },
    },
    thresholds: {
      http_req_failed: [`rate<${failed}`],
      http_req_duration: [`p(95)<${p95}`],
      checks: [`rate>${1 - failed}`],
      ...thresholds,
    },
    // Reading answers costs k6 more than sending the requests; scripts ask for a body where they need it.
    discardResponseBodies: true,
    summaryTrendStats: ['min', 'med', 'p(90)', 'p(95)', 'p(99)', 'max'],
  };
}
