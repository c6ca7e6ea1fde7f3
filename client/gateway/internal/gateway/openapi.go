package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"lbwserve"
)

// openAPIDocument merges the gateway's own routes over the generated document, and gives every operation the schema
// of its errors and, where its proto has no comment, a summary from its name.
func openAPIDocument(version string) ([]byte, error) {
	// The generator's singular of "aliases".
	generated := bytes.ReplaceAll(lbwserve.GeneratedOpenAPI, []byte("{aliase}"), []byte("{alias}"))
	generated = bytes.ReplaceAll(generated, []byte(`"aliase"`), []byte(`"alias"`))
	var document, own map[string]any
	if err := json.Unmarshal(generated, &document); err != nil {
		return nil, fmt.Errorf("the generated OpenAPI document: %w", err)
	}
	if err := json.Unmarshal(lbwserve.OwnOpenAPI, &own); err != nil {
		return nil, fmt.Errorf("openapi_own.json: %w", err)
	}
	picture, _ := own["x-picture-route"].(map[string]any)
	delete(own, "x-picture-route")
	merge(document, own)
	if info, ok := document["info"].(map[string]any); ok {
		info["version"] = version
	}
	paths, _ := document["paths"].(map[string]any)
	for _, path := range paths {
		operations, _ := path.(map[string]any)
		for _, operation := range operations {
			if op, ok := operation.(map[string]any); ok {
				if id, _ := op["operationId"].(string); strings.HasPrefix(id, "DetectionService_Detect") {
					merge(op, picture)
				}
				completeOperation(op)
			}
		}
	}
	return json.MarshalIndent(document, "", " ")
}

// merge writes from over into; lists of both are joined.
func merge(into, from map[string]any) {
	for key, value := range from {
		switch value := value.(type) {
		case map[string]any:
			if old, ok := into[key].(map[string]any); ok {
				merge(old, value)
				continue
			}
		case []any:
			if old, ok := into[key].([]any); ok {
				into[key] = append(old, value...)
				continue
			}
		}
		into[key] = value
	}
}

var operationWord = regexp.MustCompile(`[A-Z][a-z]*`)

func completeOperation(op map[string]any) {
	responses, ok := op["responses"].(map[string]any)
	if !ok {
		responses = map[string]any{}
		op["responses"] = responses
	}
	if _, ok := responses["default"]; !ok {
		responses["default"] = map[string]any{
			"description": "Any failure.",
			"schema":      map[string]any{"$ref": "#/definitions/Error"},
		}
	}
	if op["summary"] == nil {
		id, _ := op["operationId"].(string)
		_, name, _ := strings.Cut(id, "_")
		words := operationWord.FindAllString(name, -1)
		for i := range words {
			if i > 0 {
				words[i] = strings.ToLower(words[i])
			}
		}
		op["summary"] = strings.Join(words, " ") + "."
	}
}

func (g *Gateway) serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(g.openAPI)
}
