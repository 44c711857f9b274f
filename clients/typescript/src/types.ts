/** Types of the API, from its OpenAPI document. */
import type { components, paths } from "./api.js";

type Schemas = components["schemas"];
export type Job = Schemas["Job"];
export type Batch = Schemas["Batch"];
export type Submission = Schemas["Submit"];
export type BatchSubmission = Schemas["SubmitBatch"];
export type Progress = Schemas["Progress"];
export type JobState = Schemas["State"];
export type Output = Schemas["Output"];
export type Problem = Schemas["Problem"];
export type EventName = Schemas["EventName"];
export type EventData = Schemas["EventData"];
export type { paths };

export type Method = "get" | "post" | "put" | "patch" | "delete";

/** The paths that have this method. */
export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends { [K in M]: { responses: unknown } } ? P : never;
}[keyof paths];

type Operation<P extends keyof paths, M extends Method> = M extends keyof paths[P] ? paths[P][M] : never;
type Where<O, W extends string> = O extends { parameters: { [K in W]?: infer T } } ? Exclude<T, undefined> : never;
type Both<A, B> = [A] extends [never] ? B : [B] extends [never] ? A : A & B;
type Parameters<P extends keyof paths, M extends Method, W extends string> = Both<Where<paths[P], W>, Where<Operation<P, M>, W>>;

/** What a path needs in its braces; never if it has none. */
export type PathParameters<P extends keyof paths, M extends Method> = Parameters<P, M, "path">;
export type Query<P extends keyof paths, M extends Method> = Parameters<P, M, "query">;

type Content<C> = C extends { "application/json": infer T } ? T : never;
/** The JSON that a request brings; never if it brings none. */
export type Body<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { requestBody?: infer B } ? (Exclude<B, undefined> extends { content: infer C } ? Content<C> : never) : never;

type Good = 200 | 201 | 202;
type Bodies<R> = { [S in keyof R]: S extends Good ? (R[S] extends { content: infer C } ? (C extends { "application/json": infer T } ? T : undefined) : undefined) : never }[keyof R];
/** What a good answer brings; undefined where it has no JSON. */
export type Answer<P extends keyof paths, M extends Method> = Operation<P, M> extends { responses: infer R } ? ([Bodies<R>] extends [never] ? undefined : Bodies<R>) : never;

/** One event of a stream. `id` is its number, where it has one. */
export interface ServerEvent {
  readonly name: EventName;
  readonly id: number | null;
  readonly data: EventData;
}
