// Package lbwserve holds what the gateway embeds: the OpenAPI document that is generated from the protos, and the
// hand-written part for the routes that no proto describes.
package lbwserve

import _ "embed"

// GeneratedOpenAPI is the merged OpenAPI v2 document of every service in lbw.v1.
//
//go:embed gen/openapi/generated.json
var GeneratedOpenAPI []byte

// OwnOpenAPI holds the gateway's own routes and the schema of errors, merged over the generated document.
//
//go:embed openapi_own.json
var OwnOpenAPI []byte
