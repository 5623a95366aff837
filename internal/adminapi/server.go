package adminapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"
	"github.com/gorilla/mux"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
	"github.com/gatehouse-id/gatehouse/keys"
)

// A Server answers the admin API.
type Server struct {
	Issuer    string
	Directory *directory.Service
	Store     *store.Store
	Inspector *token.Inspector
	Revoker   *token.Revoker
	Endings   *authn.Endings
	Keys      Keys
	// Letters makes the one-time links that the API mails or returns.
	Letters *authn.Letters
	Limit   *web.Limiter
	// Sealer seals the answers that are kept for requests with an idempotency key.
	Sealer *keys.Sealer
	// Draining is closed when the server is about to end: who waits for news is answered.
	Draining <-chan struct{}
	// Refusals keeps the refusals that are written into the audit log within bounds.
	Refusals *Refusals
}

// Keys is the ring of signing keys. Rotate begins a rotation of an algorithm before its time; Remove takes a key out at once and
// ends every token that it signed. Both return when that is durable; an unknown key is iam.NotFound.
type Keys interface {
	List(ctx context.Context) ([]*keys.Key, error)
	Rotate(ctx context.Context, alg keys.Alg) error
	Remove(ctx context.Context, kid string) error
}

// prefix is where the API lives.
const prefix = "/api/v1"

// An api is the operations of a Server, built once.
type api struct {
	*Server
	router *mux.Router
	huma   huma.API
	moved  *signal // lines of the audit log were written
}

// Routes returns the routes of the API and of its description.
func (s *Server) Routes() ([]web.Route, error) {
	a := &api{Server: s, router: mux.NewRouter().SkipClean(true)}
	a.huma = humamux.New(a.router, a.config())
	a.huma.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) {
		web.SetRoute(ctx.Context(), ctx.Operation().Path)
		next(ctx)
	})
	a.whoami()
	a.audiences()
	a.connectors()
	a.users()
	a.logins()
	a.sessions()
	a.nodes()
	a.access()
	a.groups()
	a.reviews()
	a.clients()
	a.secrets()
	a.leaks()
	a.keys()
	a.revocations()
	a.activity()
	a.documents()
	a.models()
	a.migrations()
	a.audit()
	delete(a.huma.OpenAPI().Components.Schemas.Map(), "ErrorModel") // huma's own, which no answer has
	description, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("describe the admin API: %w", err)
	}
	methods := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}
	return []web.Route{
		{
			Methods: methods, Path: prefix + "/", Prefix: true, MaxBody: apiv1.MaxBody, Limit: s.Limit,
			Handler: a.serve, Errors: writeProblem,
		},
		{
			Methods: []string{http.MethodGet}, Path: "/api/openapi.json", Errors: writeProblem,
			Handler: func(w http.ResponseWriter, _ *http.Request) error {
				w.Header().Set("Content-Type", "application/openapi+json")
				_, err := w.Write(description)
				return err
			},
		},
	}, nil
}

func (a *api) config() huma.Config {
	c := huma.DefaultConfig("Gatehouse admin API", "v1")
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.CreateHooks = nil // no $schema links in answers
	c.RejectUnknownQueryParameters = true
	c.Transformers = []huma.Transformer{takeRefusal}
	c.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[apiv1.Document](), reflect.TypeFor[documentSchema]())
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"gatehouse": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "An access token for the audience <issuer>/api/v1."},
	}
	c.Security = []map[string][]string{{"gatehouse": {}}}
	return c
}

// A call is a request on its way through the operations: whose it is, and why it is refused. Once it is, nothing more of what
// the operation writes is sent, and the route's ErrorWriter answers.
type call struct {
	http.ResponseWriter
	caller    *caller
	operation string // its id, once it is known
	header    http.Header
	target    string // method, path and query
	body      []byte
	err       error
}

type callKey struct{}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// WriteHeader sends the status unless the call is refused.
func (c *call) WriteHeader(status int) {
	if c.err == nil {
		c.ResponseWriter.WriteHeader(status)
	}
}

// Write sends a part of the answer unless the call is refused.
func (c *call) Write(p []byte) (int, error) {
	if c.err != nil {
		return len(p), nil
	}
	return c.ResponseWriter.Write(p)
}

// serve is the way of every request: who asks, may it ask for anything here, is the request well-formed, and then the operation.
func (a *api) serve(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	who, err := a.authenticate(r)
	if err != nil {
		return err
	}
	if err := a.onBehalf(r, who); err != nil {
		return err
	}
	body, err := checkBody(r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		r.Method = http.MethodGet // the server sends no body to it
	}
	c := &call{ResponseWriter: w, caller: who, header: r.Header, target: r.Method + " " + r.URL.RequestURI(), body: body}
	r = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
	var match mux.RouteMatch
	if !a.router.Match(r, &match) || match.MatchErr != nil {
		return a.unrouted(w, r)
	}
	a.router.ServeHTTP(c, r)
	if c.err != nil {
		a.refused(r.Context(), c, match.Vars)
	}
	return c.err
}

var errNoOperation = iam.Errorf(iam.NotFound, "the API has nothing at this path")

// unrouted tells a path that does not exist from a method that it does not know.
func (a *api) unrouted(w http.ResponseWriter, r *http.Request) error {
	var allow []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		other := *r
		other.Method = method
		var match mux.RouteMatch
		if a.router.Match(&other, &match) && match.MatchErr == nil {
			allow = append(allow, method)
		}
	}
	if len(allow) == 0 {
		return errNoOperation
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	return iam.Refuse(iam.Invalid, web.CodeMethodNotAllowed, "this path does not know this method")
}

// An op describes an operation.
type op struct {
	method, path, id, summary, tag string
	status                         int  // of success; 200 when zero
	asks                           bool // it changes nothing, whatever its method says
	platform                       bool // it is for those with a platform role; otherwise what it does decides
}

// admit decides, before anything of the request is read, about what the caller may not do whatever it is about.
func (o op) admit(c *caller) error {
	switch {
	case o.platform && c.role == "":
		return errNoRights
	case c.role == iam.Auditor && o.method != http.MethodGet && !o.asks:
		return errReadOnly
	}
	return nil
}

// addPlatform makes an operation of do that is for those with a platform role.
func addPlatform[I, O any](a *api, o op, do func(ctx context.Context, by *caller, in *I) (*O, error)) {
	o.platform = true
	add(a, o, do)
}

// add makes an operation of do, which gets who asks beside what is asked, and decides about it.
func add[I, O any](a *api, o op, do func(ctx context.Context, by *caller, in *I) (*O, error)) {
	if o.status == 0 {
		o.status = http.StatusOK
	}
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[web.ProblemBody](), true, "Problem")
	huma.Register(a.huma, huma.Operation{
		OperationID: o.id, Method: o.method, Path: prefix + o.path, Summary: o.summary, Tags: []string{o.tag},
		DefaultStatus: o.status, MaxBodyBytes: -1, // the route bounds it
		Middlewares: huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
			if c := callOf(ctx.Context()); c.err == nil {
				c.operation = o.id
				switch c.err = o.admit(c.caller); {
				case c.err != nil:
				case o.status == http.StatusCreated:
					a.once(ctx, c, next)
				default:
					next(ctx)
				}
			}
		}},
		Responses: map[string]*huma.Response{"default": {
			Description: "A problem (RFC 9457). Programs act on its code.",
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: schema}},
		}},
	}, func(ctx context.Context, in *I) (*O, error) {
		c := callOf(ctx)
		out, err := do(ctx, c.caller, in)
		if err != nil {
			c.err = err
		}
		return out, err
	})
}

// none is the output of operations that have nothing to say.
type none struct{}

// tagged is an answer with the version of what it shows.
type tagged[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

func withTag[T any](v T, etag string, err error) (*tagged[T], error) {
	return &tagged[T]{ETag: etag, Body: v}, err
}

type plain[T any] struct{ Body T }

// Conditional is the part of a request that says which version it is about (RFC 9110 §13.1.1).
type Conditional struct {
	IfMatch string `header:"If-Match" doc:"The ETag of the version that the change is meant for. Absent: whatever is there."`
}

func (c Conditional) expect() directory.Expect { return directory.Existing(c.IfMatch) }
