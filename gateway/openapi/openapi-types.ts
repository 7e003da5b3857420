/** The parts of OpenAPI 3.1 that the document has. */
import type { JsonSchema } from './json-schema.js';

export interface OpenApiParameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly description?: string;
  readonly style?: string;
  readonly explode?: boolean;
  readonly schema: JsonSchema;
}

export interface MediaType {
  readonly schema: JsonSchema;
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, { readonly $ref: string }>>;
}

export interface OpenApiResponse {
  readonly description: string;
  readonly headers: Readonly<Record<string, object>>;
  readonly content?: Readonly<Record<string, MediaType>>;
  /** Codes of errors with this status. */
  readonly 'x-error-codes'?: readonly string[];
}

/** A reference into the document. */
export interface Reference {
  readonly $ref: string;
}

export interface OpenApiOperation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly parameters: readonly OpenApiParameter[];
  readonly requestBody?: {
    readonly required: boolean;
    readonly content: Readonly<Record<string, MediaType>>;
  };
  readonly responses: Readonly<Record<string, OpenApiResponse | Reference>>;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  /** The row of the table of access. */
  readonly 'x-access': object;
}

export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: {
    readonly title: string;
    readonly version: string;
    readonly description: string;
    readonly license: object;
  };
  readonly servers: readonly { readonly url: string }[];
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly responses: Readonly<Record<string, OpenApiResponse>>;
    readonly headers: Readonly<Record<string, object>>;
    readonly examples: Readonly<Record<string, object>>;
    readonly securitySchemes: Readonly<
      Record<string, { readonly name?: string; readonly description: string; readonly type: string }>
    >;
  };
}

/** An answer of an operation, a reference to a shared one followed. */
export const responseOf = (
  document: OpenApiDocument,
  response: OpenApiResponse | Reference,
): OpenApiResponse =>
  '$ref' in response
    ? document.components.responses[response.$ref.slice('#/components/responses/'.length)]!
    : response;
