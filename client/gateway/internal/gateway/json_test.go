package gateway

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	lbwv1 "lbwserve/gen/lbw/v1"
)

func TestZeroValuesAreProtoNamedAndPrinted(t *testing.T) {
	f := &fake{answer: func(context.Context, proto.Message) (proto.Message, error) {
		return &lbwv1.DetectResponse{Results: []*lbwv1.DetectResult{{
			Timings:    &lbwv1.DetectTimings{DecodeUs: 1500},
			Detections: []*lbwv1.Detection{{Box: &lbwv1.Box{}}},
		}}}, nil
	}}
	w := newWorld(t, f, Limits{})
	fields := w.json("POST", "/v1/models/m:detect", `{"images": ["AQ=="]}`).wantOK()
	result := fields["results"].([]any)[0].(map[string]any)
	timings := result["timings"].(map[string]any)
	if timings["decode_us"] != 1500.0 || timings["draw_us"] != 0.0 || fields["queue_us"] != 0.0 {
		t.Errorf("microseconds are to be numbers, also where they are 0: %v", fields)
	}
	box := result["detections"].([]any)[0].(map[string]any)["box"].(map[string]any)
	for _, name := range []string{"x_min", "y_min", "x_max", "y_max"} {
		if value, printed := box[name]; !printed || value != 0.0 {
			t.Errorf("box.%s: %v", name, value)
		}
	}
	for _, name := range []string{"image_width", "classifications", "outputs", "annotated_image"} {
		if _, printed := result[name]; !printed {
			t.Errorf("%s is not printed: %v", name, result)
		}
	}
	if _, request, _, _ := f.last(); string(request.(*lbwv1.DetectRequest).GetImages()[0]) != "\x01" {
		t.Errorf("the picture did not arrive: %v", request)
	}
}

func TestUnknownFieldIsNamed(t *testing.T) {
	w := newWorld(t, &fake{}, Limits{})
	e := w.json("POST", "/v1/models", `{"model_idd": "m"}`).wantError(400, "INVALID_ARGUMENT", `"model_idd"`)
	violations, _ := e.detail("BadRequest", "field_violations").([]any)
	if len(violations) != 1 || violations[0].(map[string]any)["field"] != "model_idd" {
		t.Errorf("details %s", e.Details)
	}
	if strings.Contains(e.Message, "proto") {
		t.Errorf("the message %q speaks of protobuf", e.Message)
	}
	w.json("POST", "/v1/models/m:quantize", `{"options": {"bit": 4}}`).wantError(400, "INVALID_ARGUMENT", `"bit"`)
}

func TestBadJSON(t *testing.T) {
	w := newWorld(t, &fake{}, Limits{})
	for _, row := range []struct{ body, message string }{
		{`{"model_id": "m"`, "at byte"},
		{`{"model_id": "m"} {"model_id": "n"}`, "at byte"},
		{`[]`, "JSON body"},
		{`{"validate_only": "maybe"}`, "validate_only"},
		{`{"model_id": "m", "model_id": "n"}`, "model_id"},
		{"\xff", "at byte"},
	} {
		e := w.json("POST", "/v1/models", row.body).wantError(400, "INVALID_ARGUMENT", row.message)
		if e.detail("ErrorInfo", "reason") != "BAD_ARGUMENT" {
			t.Errorf("%s: details %s", row.body, e.Details)
		}
	}
}

func TestEmptyBodyIsAnEmptyMessage(t *testing.T) {
	f := &fake{}
	w := newWorld(t, f, Limits{})
	w.do("POST", "/v1/uploads/u:finish", "", nil).wantOK()
	if _, request, _, _ := f.last(); request.(*lbwv1.FinishUploadRequest).GetName() != "uploads/u" {
		t.Errorf("%v", request)
	}
}

func TestJSONRoutesTakeJSONOnly(t *testing.T) {
	w := newWorld(t, &fake{}, Limits{})
	w.do("POST", "/v1/models", "{}", header{"Content-Type": "text/plain"}).wantError(415, "INVALID_ARGUMENT", "application/json")
	w.do("POST", "/v1/models", "{}", header{"Content-Type": "application/json; charset=utf-8"}).wantOK()
}

func TestQueryParameters(t *testing.T) {
	f := &fake{}
	w := newWorld(t, f, Limits{})
	w.do("GET", "/v1/models?page_size=7&page_token=t", "", nil).wantOK()
	if _, request, _, _ := f.last(); request.(*lbwv1.ListModelsRequest).GetPageSize() != 7 {
		t.Errorf("%v", request)
	}
	w.do("DELETE", "/v1/models/m?force=true", "", nil).wantOK()
	if _, request, _, _ := f.last(); !request.(*lbwv1.DeleteModelRequest).GetForce() {
		t.Errorf("%v", request)
	}
	e := w.do("GET", "/v1/models?pagesize=7", "", nil).wantError(400, "INVALID_ARGUMENT", `"pagesize"`)
	if e.detail("BadRequest", "field_violations") == nil {
		t.Errorf("details %s", e.Details)
	}
	w.do("GET", "/v1/models?page_size=x", "", nil).wantError(400, "INVALID_ARGUMENT", "page_size")
	w.json("POST", "/v1/models?model_id=m", "{}").wantError(400, "INVALID_ARGUMENT", `"model_id"`)
	w.do("GET", "/v1/models/m?name=models/n", "", nil).wantError(400, "INVALID_ARGUMENT", `"name"`)
	w.do("GET", "/v1/models?%zz", "", nil).wantError(400, "INVALID_ARGUMENT", "query")
}

func TestStreamIsOneValueALine(t *testing.T) {
	f := &fake{export: exportTwo}
	w := newWorld(t, f, Limits{})
	got := w.json("POST", "/v1/models/m/versions/1:export", `{"format": "EXPORT_FORMAT_PACKED"}`)
	lines := strings.Split(strings.TrimSuffix(string(got.body), "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("%q", lines)
	}
	for i, field := range []string{"progress", "artifact"} {
		var line map[string]map[string]map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &line); err != nil || line["result"][field] == nil {
			t.Errorf("line %d: %v: %s", i, err, lines[i])
		}
	}
}
