/**
 * Server reflection (grpc.io, "Reflection"), so that grpcurl and the like know the messages; public, as the schema is. Versions v1 and
 * v1alpha have the same messages under different names.
 */
import { create, type DescFile, type DescService, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { reflection, reflectionAlpha } from '../../engine/wire-proto/index.js';
import { type BidiRpc, readMessage } from './rpc.js';

/** What can be asked about. */
export interface ReflectionIndex {
  readonly services: readonly string[];
  /** A file and those it imports, or undefined. */
  byName(fileName: string): readonly Uint8Array[] | undefined;
  bySymbol(symbol: string): readonly Uint8Array[] | undefined;
}

export function indexOf(services: readonly DescService[]): ReflectionIndex {
  const files = new Map<string, DescFile>();
  const symbols = new Map<string, DescFile>();
  const add = (file: DescFile) => {
    // A descriptor's name has no extension; the file's own has.
    if (files.has(file.proto.name)) return;
    files.set(file.proto.name, file);
    for (const desc of [...file.messages, ...file.enums, ...file.services]) symbols.set(desc.typeName, file);
    for (const message of file.messages)
      for (const nested of [...message.nestedMessages, ...message.nestedEnums])
        symbols.set(nested.typeName, file);
    for (const service of file.services)
      for (const method of service.methods) symbols.set(`${service.typeName}.${method.name}`, file);
    for (const dependency of file.dependencies) add(dependency);
  };
  for (const service of services) add(service.file);

  const encoded = (file: DescFile | undefined): Uint8Array[] | undefined => {
    if (file === undefined) return undefined;
    const all = new Set<DescFile>();
    const collect = (each: DescFile) => {
      if (all.has(each)) return;
      all.add(each);
      for (const dependency of each.dependencies) collect(dependency);
    };
    collect(file);
    return [...all].map((each) => toBinary(FileDescriptorProtoSchema, each.proto));
  };
  return {
    services: services.map(({ typeName }) => typeName).sort(),
    byName: (name) => encoded(files.get(name)),
    bySymbol: (symbol) => encoded(symbols.get(symbol)),
  };
}

/** The one method of either version. */
export function reflectionRpc(
  index: ReflectionIndex,
  { ServerReflectionRequestSchema, ServerReflectionResponseSchema }: Schemas,
): BidiRpc {
  return {
    kind: 'bidi_streaming',
    async run(messages, _call, out) {
      for await (const bytes of messages) {
        const request = readMessage(ServerReflectionRequestSchema, bytes);
        const response = create(ServerReflectionResponseSchema, {
          validHost: request.host,
          originalRequest: request,
          messageResponse: answer(index, request.messageRequest),
        });
        out.write(toBinary(ServerReflectionResponseSchema, response));
        await out.drained();
      }
    },
  };
}

/** Both versions generate the same shapes. */
type Schemas = Pick<typeof reflection, 'ServerReflectionRequestSchema' | 'ServerReflectionResponseSchema'>;
export const REFLECTION_V1: Schemas = reflection;
export const REFLECTION_V1ALPHA = reflectionAlpha as unknown as Schemas;

type Question = reflection.ServerReflectionRequest['messageRequest'];

function answer(index: ReflectionIndex, question: Question) {
  switch (question.case) {
    case 'listServices':
      return {
        case: 'listServicesResponse' as const,
        value: { service: index.services.map((name) => ({ name })) },
      };
    case 'fileByFilename':
      return filesOr(index.byName(question.value), `no file ${question.value}`);
    case 'fileContainingSymbol':
      return filesOr(index.bySymbol(question.value), `no symbol ${question.value}`);
    case 'fileContainingExtension':
    case 'allExtensionNumbersOfType':
      return notFound('there are no extensions');
    default:
      return {
        case: 'errorResponse' as const,
        value: { errorCode: status.INVALID_ARGUMENT as number, errorMessage: 'nothing was asked' },
      };
  }
}

const notFound = (errorMessage: string) => ({
  case: 'errorResponse' as const,
  value: { errorCode: status.NOT_FOUND as number, errorMessage },
});

const filesOr = (fileDescriptorProto: readonly Uint8Array[] | undefined, message: string) =>
  fileDescriptorProto === undefined
    ? notFound(message)
    : {
        case: 'fileDescriptorResponse' as const,
        value: { fileDescriptorProto: [...fileDescriptorProto] },
      };
