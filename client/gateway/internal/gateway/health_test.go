package gateway

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

func TestProbes(t *testing.T) {
	w := newWorld(t, &fake{}, Limits{})
	if got := w.do("GET", "/readyz", "", nil); got.code != 200 {
		t.Errorf("%d %s", got.code, got.body)
	}
	w.health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	w.do("GET", "/readyz", "", nil).wantError(503, "UNAVAILABLE", "NOT_SERVING")
	w.health.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	w.gateway.Drain()
	w.do("GET", "/readyz", "", nil).wantError(503, "UNAVAILABLE", "shutting down")
	w.do("GET", "/v1/status", "", nil).wantOK() // draining refuses nothing
	w.backend.Stop()
	if got := w.do("GET", "/livez", "", nil); got.code != 200 {
		t.Errorf("livez knows of the server: %d", got.code)
	}
}

func TestReadyzOfAServerThatIsGone(t *testing.T) {
	w := newWorld(t, &fake{}, Limits{})
	w.backend.Stop()
	w.do("GET", "/readyz", "", nil).wantError(503, "UNAVAILABLE", "cannot be reached")
}

func TestMetricsOfARoute(t *testing.T) {
	w := newWorld(t, &fake{}, Limits{})
	w.do("GET", "/v1/models/m", "", nil)
	w.do("GET", "/v1/models/n", "", nil)
	w.do("BREW", "/coffee", "", nil)
	text := string(w.do("GET", "/metrics", "", nil).body)
	for _, line := range []string{
		`lbw_gateway_requests_total{code="OK",http_status="200",method="GET",route="/v1/{name=models/*}"} 2`,
		`lbw_gateway_requests_total{code="NOT_FOUND",http_status="404",method="OTHER",route="unmatched"} 1`,
		`lbw_gateway_request_duration_seconds_count{method="GET",route="/v1/{name=models/*}"} 2`,
		`lbw_gateway_requests_in_flight 1`,
		`lbw_gateway_build_info{version="1.2.3"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
	if !strings.Contains(w.log.text.String(), `"route":"/v1/{name=models/*}"`) {
		t.Error(w.log.text.String())
	}
}

func TestOpenAPIDescribesEveryRoute(t *testing.T) {
	w := newWorld(t, &fake{}, Limits{})
	var document struct {
		Info  struct{ Title, Version string }
		Paths map[string]map[string]struct {
			Summary     string
			OperationID string `json:"operationId"`
			Consumes    []string
			Parameters  []struct{ Name, In string }
			Responses   map[string]any
		}
		Definitions map[string]any
	}
	body := w.do("GET", "/openapi.json", "", nil).body
	if err := json.Unmarshal(body, &document); err != nil {
		t.Fatal(err)
	}
	if document.Info.Title != "LBW Serve" || document.Info.Version != "1.2.3" {
		t.Errorf("%+v", document.Info)
	}
	described := map[string]bool{}
	variable, inPath := regexp.MustCompile(`\{[^}]*\}`), regexp.MustCompile(`\{(\w+)\}`)
	for path, operations := range document.Paths {
		for method, op := range operations {
			described[strings.ToUpper(method)+" "+variable.ReplaceAllString(path, "*")] = true
			if op.Summary == "" || op.Responses["default"] == nil {
				t.Errorf("%s %s: %+v", method, path, op)
			}
			named := map[string]bool{}
			for _, p := range op.Parameters {
				named[p.In+" "+p.Name] = true
			}
			for _, m := range inPath.FindAllStringSubmatch(path, -1) {
				if !named["path "+m[1]] {
					t.Errorf("%s %s does not describe {%s}", method, path, m[1])
				}
			}
			if strings.HasSuffix(path, ":detect") && (!named["query score"] || len(op.Consumes) != 5) {
				t.Errorf("%s says nothing of pictures", path)
			}
		}
	}
	for _, r := range w.gateway.table.routes {
		segments, verb := parseTemplate(r.template)
		path := r.method + " /" + strings.Join(segments, "/")
		if verb != "" {
			path += ":" + verb
		}
		if !described[path] {
			t.Errorf("%s is not described", path)
		}
		delete(described, path)
	}
	for path := range described {
		t.Errorf("%s is described and does not exist", path)
	}
	for _, m := range regexp.MustCompile(`"#/definitions/(\w+)"`).FindAllStringSubmatch(string(body), -1) {
		if document.Definitions[m[1]] == nil {
			t.Errorf("no definition of %s", m[1])
		}
	}
	if strings.Contains(string(body), `"imageWidth"`) || !strings.Contains(string(body), `"image_width"`) {
		t.Error("field names are not the protos'")
	}
}
