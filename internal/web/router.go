package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gorilla/mux"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Route is one line of the list of what a server answers.
type Route struct {
	// Methods are those that Handler knows. GET brings HEAD; OPTIONS is answered by the router.
	Methods []string
	// Path is matched as it is written: no cleaning, no redirect, no other spelling by case or percent-encoding. It may have
	// variables, "/register/{id}", each a whole segment that Var returns.
	Path string
	// Prefix makes the route answer every path below Path, which then ends with a slash, and every method if Methods is empty.
	Prefix bool
	// Name is the route in metrics and in the log; Path when empty.
	Name    string
	Handler Handler
	// Errors writes what Handler and the checks before it refuse; the router's own when nil.
	Errors ErrorWriter
	// Form makes the router read a POST's form before Limit is asked, so that a slow sender holds nothing but its connection.
	// Handler gets it by FormOf.
	Form *FormOptions
	// MaxBody, in bytes, does the same for a body of another kind; Handler reads it from r.Body.
	MaxBody int64
	// Limit is the class of work whose slots the route uses; nil for routes that must answer whatever the load.
	Limit *Limiter
	// CORS opens the route to pages of other origins; nil for none.
	CORS *CORS
}

// A RouterConfig is what a Router needs beside its routes.
type RouterConfig struct {
	Log     slog.Handler     // gets one line for each request
	Errors  ErrorWriter      // for paths that no route has and routes without their own; Problem when nil
	Metrics *Metrics         // nil: nothing is measured
	Proxies Proxies          // who may say X-Forwarded-For
	Hosts   Hosts            // the names that are answered; empty: any, for loopback and development
	HTTPS   bool             // the issuer is https: answers carry Strict-Transport-Security
	Now     func() time.Time // time.Now when nil
}

// A Router is the http.Handler of one listener.
type Router struct {
	config RouterConfig
	routes []Route
	// gorilla/mux walks its routes in order and runs a regular expression on each; a path without variables, such as the
	// token endpoint, is found here at the price of one map access.
	exact     map[string]*endpoint
	variable  *mux.Router
	variables bool
	unknown   *endpoint
}

// An endpoint is all that is known of one path.
type endpoint struct {
	path    string
	routes  []*Route
	allow   []string
	metrics []*routeMetrics // one for each of routes
}

// NewRouter checks the routes and builds the router. Two routes may share a path but not a method of it.
func NewRouter(config RouterConfig, routes ...Route) (*Router, error) {
	if config.Log == nil {
		return nil, errors.New("web: a router needs a log")
	}
	if config.Errors == nil {
		config.Errors = Problem
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	rt := &Router{
		config:   config,
		routes:   slices.Clone(routes),
		exact:    make(map[string]*endpoint, len(routes)),
		variable: mux.NewRouter().SkipClean(true),
		unknown:  &endpoint{},
	}
	rt.unknown.add(&Route{Name: noRoute, Errors: config.Errors}, config.Metrics)
	endpoints := make(map[string]*endpoint, len(routes))
	for i := range rt.routes {
		route := &rt.routes[i]
		if err := route.check(); err != nil {
			return nil, fmt.Errorf("web: route %s: %w", route.Path, err)
		}
		if route.Name == "" {
			route.Name = route.Path
		}
		if route.Errors == nil {
			route.Errors = config.Errors
		}
		point := endpoints[route.Path]
		if point == nil {
			point = &endpoint{path: route.Path}
			endpoints[route.Path] = point
			if err := rt.mount(route, point); err != nil {
				return nil, fmt.Errorf("web: route %s: %w", route.Path, err)
			}
		} else if point.routes[0].Prefix != route.Prefix {
			return nil, fmt.Errorf("web: route %s: it is a prefix and a path", route.Path)
		}
		for _, m := range route.Methods {
			if point.find(m) >= 0 {
				return nil, fmt.Errorf("web: route %s: %s is there twice", route.Path, m)
			}
		}
		point.add(route, config.Metrics)
	}
	return rt, nil
}

func (rt *Router) mount(route *Route, point *endpoint) error {
	if !strings.Contains(route.Path, "{") {
		rt.exact[route.Path] = point // of a prefix, this is its root
		if !route.Prefix {
			return nil
		}
	}
	rt.variables = true
	if route.Prefix {
		return rt.variable.PathPrefix(route.Path).Handler(point).GetError()
	}
	return rt.variable.Path(route.Path).Handler(point).GetError()
}

func (route *Route) check() error {
	reads := func(method string) bool {
		return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
	}
	switch {
	case !strings.HasPrefix(route.Path, "/"):
		return errors.New("the path must start with /")
	case route.Handler == nil:
		return errors.New("it has no handler")
	case route.Prefix && !strings.HasSuffix(route.Path, "/"):
		return errors.New("a prefix ends with /")
	case !route.Prefix && route.Path != "/" && strings.HasSuffix(route.Path, "/"):
		return errors.New("only a prefix ends with /")
	case len(route.Methods) == 0 && !route.Prefix:
		return errors.New("it has no method")
	case route.Limit != nil && route.Form == nil && route.MaxBody == 0 && (len(route.Methods) == 0 || slices.ContainsFunc(route.Methods, reads)):
		return errors.New("a limit needs Form or MaxBody, or slow senders would hold its slots")
	}
	return nil
}

func (p *endpoint) add(route *Route, metrics *Metrics) {
	p.routes = append(p.routes, route)
	p.metrics = append(p.metrics, metrics.route(route.Name))
	methods := slices.Clone(route.Methods)
	if slices.Contains(methods, http.MethodGet) {
		methods = append(methods, http.MethodHead)
	}
	p.allow = slices.Concat(p.allow, methods)
	if !slices.Contains(p.allow, http.MethodOptions) {
		p.allow = append(p.allow, http.MethodOptions)
	}
}

// find returns the place of the route that knows method, or -1.
func (p *endpoint) find(method string) int {
	for i, route := range p.routes {
		for _, m := range route.Methods {
			if m == method || (m == http.MethodGet && method == http.MethodHead) {
				return i
			}
		}
		if route.Prefix && len(route.Methods) == 0 {
			return i
		}
	}
	return -1
}

// ServeHTTP is never called: an endpoint is a Handler so that gorilla/mux can hold it.
func (p *endpoint) ServeHTTP(http.ResponseWriter, *http.Request) { panic("web: endpoint called") }

// Routes returns the routes in the order in which they were given, for those who compare them with what is advertised.
func (rt *Router) Routes() []Route { return slices.Clone(rt.routes) }

// Var returns the variable of the request's path that the route's Path names, decoded, or "".
func Var(ctx context.Context, name string) string {
	if e := eventOf(ctx); e != nil {
		return e.vars[name]
	}
	return ""
}

// FormOf returns the form that the router has read for a Route with Form.
func FormOf(ctx context.Context) Form {
	if e := eventOf(ctx); e != nil {
		return e.form
	}
	return Form{}
}

var (
	errNotFound         = iam.Errorf(iam.NotFound, "there is nothing at this path")
	errMethodNotAllowed = iam.Refuse(iam.Invalid, CodeMethodNotAllowed, "this path does not know this method")
	errMisdirected      = iam.Refuse(iam.Invalid, CodeMisdirected, "this server does not answer to this host name")
)

// ServeHTTP answers a request and writes its log line.
func (rt *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := &event{Context: r.Context(), response: response{ResponseWriter: w}, start: rt.config.Now(), route: noRoute}
	e.attrs = e.attrSpace[:eventOwnAttrs]
	e.peer = rt.config.Proxies.ClientIP(r)
	e.id = requestID(r.Header["X-Request-Id"])
	e.idHeader[0] = e.id
	w.Header()["X-Request-Id"] = e.idHeader[:]
	secure(w.Header(), rt.config.HTTPS)
	r = r.WithContext(e)

	point, i := rt.find(e, r)
	route := point.routes[max(i, 0)]
	e.route = route.Name
	err := rt.serve(e, r, point, i)
	if err != nil {
		err = e.refuse(r, err, route.Errors)
	}
	if e.status == 0 {
		e.status = http.StatusOK // as net/http does for a handler that writes nothing
		if err != nil {
			e.status = http.StatusInternalServerError
		}
	}
	now := rt.config.Now()
	point.metrics[max(i, 0)].observe(e.status, now.Sub(e.start))
	e.end(rt.config.Log, knownMethod(r.Method), now)
	if err != nil {
		panic(http.ErrAbortHandler) // An answer cut short must not look whole.
	}
}

// find returns the endpoint of the path and the place in it of the route for the method; -1 when the path does not know it.
func (rt *Router) find(e *event, r *http.Request) (*endpoint, int) {
	point := rt.exact[r.URL.Path]
	switch {
	case point != nil && r.URL.RawPath == "":
	case point == nil && rt.variables && oneSpelling(r.URL.Path, r.URL.RawPath):
		var match mux.RouteMatch
		if !rt.variable.Match(r, &match) {
			return rt.unknown, -1
		}
		point, e.vars = match.Handler.(*endpoint), match.Vars
	default:
		return rt.unknown, -1
	}
	return point, point.find(r.Method)
}

// serve is the way of a request from the checks that all routes share to its handler.
func (rt *Router) serve(e *event, r *http.Request, point *endpoint, i int) error {
	if !rt.config.Hosts.Allows(r.Host) {
		return errMisdirected
	}
	if point == rt.unknown {
		return errNotFound
	}
	route := point.routes[max(i, 0)]
	if route.CORS != nil {
		route.CORS.open(e, r)
	}
	if i < 0 {
		e.Header()["Allow"] = []string{strings.Join(point.allow, ", ")}
		if r.Method == http.MethodOptions {
			if cors := point.cors(r.Header.Get("Access-Control-Request-Method")); cors != nil {
				cors.preflight(e, r, point.allow)
			}
			e.WriteHeader(http.StatusNoContent)
			return nil
		}
		return errMethodNotAllowed
	}
	if route.Form != nil && r.Method == http.MethodPost {
		form, err := ReadForm(e, r, *route.Form)
		if err != nil {
			return err
		}
		e.form = form
	} else if route.MaxBody > 0 {
		if err := bufferBody(e, r, route.MaxBody); err != nil {
			return err
		}
	}
	if route.Limit != nil {
		if err := route.Limit.Acquire(r.Context()); err != nil {
			return err
		}
		defer route.Limit.Release()
	}
	return protect(route.Handler, e, r)
}

// cors returns the CORS of the route that knows method.
func (p *endpoint) cors(method string) *CORS {
	if i := p.find(method); i >= 0 {
		return p.routes[i].CORS
	}
	return nil
}

// refuse notes err for the log and writes it as the surface does. It returns an error when the connection must be cut: the
// handler wished so, or the answer has already begun.
func (e *event) refuse(r *http.Request, err error, write ErrorWriter) error {
	e.err = err
	if errors.Is(err, http.ErrAbortHandler) {
		return err
	}
	if e.status != 0 {
		e.broken = true
		return err
	}
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		e.status = statusGone
		return nil
	}
	fault := protect(func(w http.ResponseWriter, r *http.Request) error {
		write(w, r, err)
		return nil
	}, e, r)
	if fault != nil {
		e.err, e.broken = errors.Join(fault, err), true
	}
	return fault
}

// oneSpelling reports whether a path is spelled in the only way that we accept, so that it means the same to us as to any proxy
// in front: no empty, "." or ".." segment, no backslash or control character, and nothing percent-encoded that needs no
// encoding (RFC 3986 §2.3) or that would read as a separator once decoded.
func oneSpelling(path, raw string) bool {
	if !utf8.ValidString(path) {
		return false
	}
	for i := range len(path) {
		if c := path[i]; c < 0x20 || c == 0x7f || c == '\\' {
			return false
		}
	}
	for segment := range strings.SplitSeq(path[min(1, len(path)):], "/") {
		if segment == "." || segment == ".." || (segment == "" && path != "/") {
			return false
		}
	}
	for i := 0; i+2 < len(raw); i++ {
		if raw[i] != '%' {
			continue
		}
		c := unhex(raw[i+1])<<4 | unhex(raw[i+2])
		if unreserved(c) || c == '/' {
			return false
		}
	}
	return strings.HasPrefix(path, "/")
}

// unreserved reports whether c is in the set of that name of RFC 3986 §2.3.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}
