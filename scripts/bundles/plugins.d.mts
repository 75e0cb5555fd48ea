import type { Plugin } from "esbuild"

export declare const inPlaceOf: Readonly<Record<string, string>>
export declare const lean: Array<Plugin>
export declare const leanLibrary: Array<Plugin>
