package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	lbwv1 "lbwserve/gen/lbw/v1"
)

// Files are the protos whose services the gateway serves.
var Files = []protoreflect.FileDescriptor{
	lbwv1.File_lbw_v1_artifact_proto,
	lbwv1.File_lbw_v1_dataset_proto,
	lbwv1.File_lbw_v1_detection_proto,
	lbwv1.File_lbw_v1_job_proto,
	lbwv1.File_lbw_v1_model_proto,
	lbwv1.File_lbw_v1_quantization_proto,
	lbwv1.File_lbw_v1_server_proto,
}

// WithoutRoute lists every RPC that has no generated route, and why.
var WithoutRoute = map[protoreflect.FullName]string{
	"lbw.v1.ArtifactService.WriteUpload": "a client stream of bytes: PUT /v1/uploads/{id} sends them",
}

// A route is one method and path. The table of all routes is made once from the descriptors and from what the
// gateway serves itself; the metrics' labels, 404, 405 with Allow and the check of query parameters come from it.
type route struct {
	method   string
	template string // "/v1/{name=uploads/*}:finish"
	// rpc is nil for the gateway's own routes.
	rpc protoreflect.MethodDescriptor
	// buffered is set where the whole body is held in memory.
	buffered bool
	// query holds the parameters the route takes; nil: the handler checks them itself.
	query map[string]bool
	own   http.HandlerFunc

	segments []string // "*" matches any one
	verb     string
}

func (r *route) label() string { return r.template }

func (r *route) isDetect() bool {
	return r.rpc != nil && r.rpc.FullName() == "lbw.v1.DetectionService.Detect"
}

// routeTable is immutable after construction.
type routeTable struct {
	routes []*route
	verbs  map[string]bool
}

func newRouteTable(own []*route) (*routeTable, error) {
	t := &routeTable{verbs: map[string]bool{}}
	t.routes = append(t.routes, own...)
	for _, file := range Files {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				generated, err := routesOf(methods.Get(j))
				if err != nil {
					return nil, err
				}
				t.routes = append(t.routes, generated...)
			}
		}
	}
	for _, r := range t.routes {
		r.segments, r.verb = parseTemplate(r.template)
		if r.verb != "" {
			t.verbs[r.verb] = true
		}
	}
	return t, nil
}

// routesOf reads the google.api.http rule of an RPC and its additional bindings.
func routesOf(method protoreflect.MethodDescriptor) ([]*route, error) {
	rule, ok := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	if !ok || rule == nil {
		if WithoutRoute[method.FullName()] == "" {
			return nil, fmt.Errorf("%s has no google.api.http rule and is not listed as having none", method.FullName())
		}
		return nil, nil
	}
	var routes []*route
	for _, binding := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
		r := &route{rpc: method, buffered: binding.GetBody() != ""}
		switch pattern := binding.GetPattern().(type) {
		case *annotations.HttpRule_Get:
			r.method, r.template = http.MethodGet, pattern.Get
		case *annotations.HttpRule_Post:
			r.method, r.template = http.MethodPost, pattern.Post
		case *annotations.HttpRule_Put:
			r.method, r.template = http.MethodPut, pattern.Put
		case *annotations.HttpRule_Patch:
			r.method, r.template = http.MethodPatch, pattern.Patch
		case *annotations.HttpRule_Delete:
			r.method, r.template = http.MethodDelete, pattern.Delete
		default:
			return nil, fmt.Errorf("%s has a rule without a method and a path", method.FullName())
		}
		if !r.isDetect() { // of a picture's route the parameters are options: see detect.go
			r.query = queryOf(method, binding.GetBody(), r.template)
		}
		routes = append(routes, r)
	}
	return routes, nil
}

// queryOf lists the fields that travel as query parameters: those that are neither in the path nor in the body.
func queryOf(method protoreflect.MethodDescriptor, body, template string) map[string]bool {
	query := map[string]bool{}
	if body == "*" {
		return query
	}
	fields := method.Input().Fields()
	for i := range fields.Len() {
		name := string(fields.Get(i).Name())
		inPath := strings.Contains(template, "{"+name+"=") || strings.Contains(template, "{"+name+"}")
		if !inPath && name != body && fields.Get(i).Message() == nil {
			query[name] = true
		}
	}
	return query
}

// parseTemplate turns "/v1/{name=uploads/*}:finish" into [v1 uploads *] and "finish".
func parseTemplate(template string) (segments []string, verb string) {
	var flat strings.Builder
	for rest := strings.TrimPrefix(template, "/"); rest != ""; {
		before, after, found := strings.Cut(rest, "{")
		flat.WriteString(before)
		if !found {
			break
		}
		variable, tail, _ := strings.Cut(after, "}")
		if _, pattern, ok := strings.Cut(variable, "="); ok {
			flat.WriteString(pattern)
		} else {
			flat.WriteString("*")
		}
		rest = tail
	}
	path := flat.String()
	if colon := strings.LastIndexByte(path, ':'); colon >= 0 {
		path, verb = path[:colon], path[colon+1:]
	}
	return strings.Split(path, "/"), verb
}

// match finds the route of a request. Where the path is known but the method is not, it returns no route and the
// methods that are. HEAD is answered by any GET route whose answer is one message.
func (t *routeTable) match(method, path string) (found *route, allowed []string) {
	segments, verb := t.split(path)
	methods := map[string]bool{}
	for _, r := range t.routes {
		if r.verb != verb || !matchSegments(r.segments, segments) {
			continue
		}
		if r.method == method || (method == http.MethodHead && r.headable()) {
			return r, nil
		}
		methods[r.method] = true
		if r.headable() {
			methods[http.MethodHead] = true
		}
	}
	for m := range methods {
		allowed = append(allowed, m)
	}
	sort.Strings(allowed)
	return nil, allowed
}

func (r *route) headable() bool {
	return r.method == http.MethodGet && (r.rpc == nil || !r.rpc.IsStreamingServer())
}

// split takes off the verb, where the last segment ends in one that some route has; no resource's name contains a colon.
func (t *routeTable) split(path string) (segments []string, verb string) {
	path = strings.TrimPrefix(path, "/")
	if colon := strings.LastIndexByte(path, ':'); colon >= 0 && t.verbs[path[colon+1:]] {
		path, verb = path[:colon], path[colon+1:]
	}
	return strings.Split(path, "/"), verb
}

func matchSegments(pattern, segments []string) bool {
	return slices.EqualFunc(pattern, segments, func(p, s string) bool {
		return p == s || (p == "*" && s != "")
	})
}
