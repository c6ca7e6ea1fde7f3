package gateway

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

var templateVariable = regexp.MustCompile(`\{(\w+)(?:=([^}]*))?\}`)

// fill makes a path of a template, and tells what its variable is then.
func fill(template string) (path, field, value string) {
	m := templateVariable.FindStringSubmatch(template)
	if m == nil {
		return template, "", ""
	}
	value = "x1"
	if m[2] != "" {
		value = strings.ReplaceAll(m[2], "*", "x1")
	}
	return templateVariable.ReplaceAllLiteralString(template, value), m[1], value
}

func TestEveryRPCHasARouteOrAReason(t *testing.T) {
	table, err := newRouteTable(nil)
	if err != nil {
		t.Fatal(err)
	}
	routed := map[protoreflect.FullName]bool{}
	for _, r := range table.routes {
		routed[r.rpc.FullName()] = true
	}
	rpcs := 0
	for _, file := range Files {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				name := methods.Get(j).FullName()
				rpcs++
				if reason := WithoutRoute[name]; routed[name] == (reason != "") {
					t.Errorf("%s: has a route: %v; reason for none: %q", name, routed[name], reason)
				}
				delete(routed, name)
			}
		}
	}
	for name := range WithoutRoute {
		if _, found := findMethod(name); !found {
			t.Errorf("%s is listed as having no route and does not exist", name)
		}
	}
	if rpcs < 20 {
		t.Errorf("only %d RPCs: a file is missing from Files", rpcs)
	}
}

func findMethod(name protoreflect.FullName) (protoreflect.MethodDescriptor, bool) {
	for _, file := range Files {
		if service := file.Services().ByName(name.Parent().Name()); service != nil {
			if method := service.Methods().ByName(name.Name()); method != nil {
				return method, true
			}
		}
	}
	return nil, false
}

// Every route of the descriptors is called over HTTP: the RPC it stands for is what arrives, with the path's variable.
func TestEveryRouteReachesItsRPC(t *testing.T) {
	f := &fake{}
	w := newWorld(t, f, Limits{})
	for _, r := range w.gateway.table.routes {
		if r.rpc == nil {
			continue
		}
		t.Run(r.method+r.template, func(t *testing.T) {
			path, field, value := fill(r.template)
			got := w.json(r.method, path, map[bool]string{true: "{}", false: ""}[r.buffered])
			if got.code != http.StatusOK {
				t.Fatalf("HTTP %d: %s", got.code, got.body)
			}
			method, request, _, _ := f.last()
			if want := "/" + string(r.rpc.Parent().FullName()) + "/" + string(r.rpc.Name()); method != want {
				t.Fatalf("reached %s, want %s", method, want)
			}
			if field == "" {
				return
			}
			m := request.ProtoReflect()
			if bound := m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(field))).String(); bound != value {
				t.Errorf("%s = %q, want %q", field, bound, value)
			}
		})
	}
}

func TestMatch(t *testing.T) {
	w := newWorld(t, &fake{}, Limits{})
	for _, row := range []struct{ method, path, template, allowed string }{
		{"GET", "/v1/models", "/v1/models", ""},
		{"HEAD", "/v1/models", "/v1/models", ""},
		{"GET", "/v1/models/a.b-c", "/v1/{name=models/*}", ""},
		{"POST", "/v1/models/m:detect", "/v1/{model=models/*}:detect", ""},
		{"POST", "/v1/models/m/aliases/stable:detect", "/v1/{model=models/*/aliases/*}:detect", ""},
		{"GET", "/v1/artifacts/ab:download", "/v1/{name=artifacts/*}:download", ""},
		{"PUT", "/v1/uploads/u", "/v1/{name=uploads/*}", ""},
		{"GET", "/v1/models/m:detect", "", "POST"},
		{"HEAD", "/v1/artifacts/ab:read", "", "GET"},
		{"PATCH", "/v1/models", "", "GET,HEAD,POST"},
		{"PUT", "/livez", "", "GET,HEAD"},
		{"GET", "/v1/models/m:nothing", "/v1/{name=models/*}", ""}, // a name that the server refuses
		{"GET", "/", "", ""},
		{"GET", "/v1/models/", "", ""},
		{"GET", "/v1/models//versions", "", ""},
		{"GET", "/v1/models/m/versions/1/more", "", ""},
		{"GET", "/v2/models", "", ""},
	} {
		found, allowed := w.gateway.table.match(row.method, row.path)
		template := ""
		if found != nil {
			template = found.template
		}
		if template != row.template || strings.Join(allowed, ",") != row.allowed {
			t.Errorf("%s %s: %q, allowed %q; want %q, %q", row.method, row.path, template, allowed, row.template, row.allowed)
		}
	}
}

func TestUnknownRouteAndMethod(t *testing.T) {
	w := newWorld(t, &fake{}, Limits{})
	e := w.do("GET", "/v1/nothing", "", nil).wantError(404, "NOT_FOUND", "/v1/nothing")
	if e.detail("ErrorInfo", "reason") != "NOT_FOUND" {
		t.Errorf("details %s", e.Details)
	}
	got := w.json("POST", "/v1/status", "{}")
	got.wantError(405, "UNIMPLEMENTED", "POST is not a method of /v1/status")
	if got.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("Allow: %q", got.header.Get("Allow"))
	}
}
