// The README's story with the types that openapi-typescript makes of docs/openapi.yaml.
//
//   node out/story.js http://127.0.0.1:8000 admin@acme.example demo c360_sk_...
//
// It prints what it did as one JSON object.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Problem = components["schemas"]["ProblemResponse"];
type Answer<T> = { data?: T; error?: Problem; response: Response };

function got<T>(answer: Answer<T>): T {
  if (answer.data === undefined) {
    throw new Error(`${answer.response.status} ${JSON.stringify(answer.error)}`);
  }
  return answer.data;
}

function first<T>(items: readonly T[]): T {
  const [item] = items;
  if (item === undefined) throw new Error("there is none");
  return item;
}

function tagOf(answer: { response: Response }): string {
  return answer.response.headers.get("ETag") ?? "";
}

const [, , baseUrl, username, password, apiKey] = process.argv;
if (baseUrl === undefined || username === undefined || password === undefined || apiKey === undefined) {
  throw new Error("usage: story.js URL USERNAME PASSWORD API_KEY");
}
const client = (token?: string) =>
  createClient<paths>({ baseUrl, headers: token === undefined ? {} : { Authorization: `Bearer ${token}` } });

const anonymous = client();
const pair = got(await anonymous.POST("/api/v1/auth/token", { body: { username, password } }));
const api = client(pair.access);

const page = got(await api.GET("/api/v1/customers", { params: { query: { at_risk: "true", limit: 10 } } }));
const customer_id = first(page.results).customer_id;
const path = { customer_id };

const shown = await api.GET("/api/v1/customers/{customer_id}/lifecycle", { params: { path } });
const before = got(shown);
const stage = first(before.transitions.filter((option) => option.allowed && !option.reason_required)).stage;
const change = {
  params: { path, header: { "If-Match": tagOf(shown) } },
  body: { stage, note: "Told in TypeScript" },
};
const moved = await api.PATCH("/api/v1/customers/{customer_id}/lifecycle", change);
const stale = await api.PATCH("/api/v1/customers/{customer_id}/lifecycle", change);
const history = got(await api.GET("/api/v1/customers/{customer_id}/lifecycle/history", { params: { path } }));

const tried = got(
  await api.POST("/api/v1/lifecycle/transitions", {
    body: { dry_run: true, items: ["Lost", "?"].map((to) => ({ customer_id, stage: to })) },
  }),
);

const kept = await api.GET("/api/v1/configuration");
const configuration: components["schemas"]["Configuration"] = got(kept);
const put = await api.PUT("/api/v1/configuration", {
  params: { header: { "If-Match": tagOf(kept) } },
  body: { ...configuration, max_days: { [first(configuration.stages)]: 90 } },
});

// Two tabs at once.
const body = { refresh: pair.refresh };
const [one, other] = await Promise.all([0, 1].map(() => anonymous.POST("/api/v1/auth/token/refresh", { body })));
if (one === undefined || other === undefined) throw new Error("there are two");
const totals = [];
for (const token of [got(one).access, apiKey]) {
  totals.push(got(await client(token).GET("/api/v1/lifecycle/summary")).total.customers);
}

process.stdout.write(
  JSON.stringify({
    at_risk: page.results.map((row) => row.customer_id),
    from: before.stage,
    to: stage,
    success: got(moved).success,
    etag: tagOf(moved),
    stale: [stale.response.status, stale.error?.code],
    history: history.results.map((row) => [row.from_stage, row.to_stage, row.source]),
    dry_run: tried.results.map((result) => result.status),
    published: [tagOf(put), got(put).max_days],
    one_pair: got(one).refresh === got(other).refresh,
    customers: totals,
  }),
);
