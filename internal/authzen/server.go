package authzen

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// The paths of the API.
const (
	PathConfiguration  = "/.well-known/authzen-configuration"
	PathEvaluation     = "/access/v1/evaluation"
	PathEvaluations    = "/access/v1/evaluations"
	PathSearchSubject  = "/access/v1/search/subject"
	PathSearchResource = "/access/v1/search/resource"
	PathSearchAction   = "/access/v1/search/action"
)

// A Server is a policy decision point.
type Server struct {
	Issuer    string
	Directory *directory.Service
	// Authenticate finds out who sends a request, and what the directory lets him ask.
	Authenticate func(r *http.Request) (directory.By, error)
	Limit        *web.Limiter
}

const (
	maxBody        = 1 << 20
	metadataMaxAge = 5 * time.Minute
)

// configuration is the metadata of §9.1.
type configuration struct {
	PolicyDecisionPoint string `json:"policy_decision_point"`
	Evaluation          string `json:"access_evaluation_endpoint"`
	Evaluations         string `json:"access_evaluations_endpoint"`
	SearchSubject       string `json:"search_subject_endpoint"`
	SearchResource      string `json:"search_resource_endpoint"`
	SearchAction        string `json:"search_action_endpoint"`
}

// Routes returns the routes of the API.
func (s *Server) Routes() ([]web.Route, error) {
	body, err := json.Marshal(configuration{
		PolicyDecisionPoint: s.Issuer, Evaluation: s.Issuer + PathEvaluation, Evaluations: s.Issuer + PathEvaluations,
		SearchSubject: s.Issuer + PathSearchSubject, SearchResource: s.Issuer + PathSearchResource, SearchAction: s.Issuer + PathSearchAction,
	})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", PathConfiguration, err)
	}
	static := web.NewStatic("application/json", metadataMaxAge)
	static.Set(body)
	return []web.Route{
		{Methods: []string{http.MethodGet}, Path: PathConfiguration, Handler: static.Handle, Errors: writeError, CORS: &web.CORS{Public: true}},
		post(s, PathEvaluation, s.evaluation),
		post(s, PathEvaluations, s.evaluations),
		post(s, PathSearchSubject, s.searchSubject),
		post(s, PathSearchResource, s.searchResource),
		post(s, PathSearchAction, s.searchAction),
	}, nil
}

// post makes the route of a question. Members that the API does not know are ignored: later versions may send some.
func post[I, O any](s *Server, path string, answer func(r *http.Request, by directory.By, in I) (O, error)) web.Route {
	return web.Route{
		Methods: []string{http.MethodPost}, Path: path, MaxBody: maxBody, Limit: s.Limit, Errors: writeError,
		Handler: func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Cache-Control", "no-store")
			by, err := s.Authenticate(r)
			if err != nil {
				return err
			}
			var in I
			if err := readBody(r, &in); err != nil {
				return err
			}
			out, err := answer(r, by, in)
			if err != nil {
				return err
			}
			echo(w, r)
			return web.JSON(w, http.StatusOK, out)
		},
	}
}

func readBody(r *http.Request, in any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" || len(r.Header["Content-Type"]) > 1 {
		return iam.Refuse(iam.Invalid, web.CodeMalformed, "the Content-Type must be application/json")
	}
	body, err := io.ReadAll(r.Body) // the router has read it already, within its bound
	if err != nil {
		return err
	}
	if err := web.CheckJSON(body); err != nil {
		return err
	}
	if err := json.Unmarshal(body, in); err != nil {
		return iam.Refuse(iam.Invalid, web.CodeMalformed, "a member of the body has the wrong type, or the body is empty").WithCause(err)
	}
	return nil
}

// echo answers with the request identifier that was sent, whatever it looks like (§10.1.3): the router only takes some over.
func echo(w http.ResponseWriter, r *http.Request) {
	if sent := r.Header["X-Request-Id"]; len(sent) == 1 && sent[0] != "" {
		w.Header()["X-Request-Id"] = sent
	}
}

// writeError writes what is wrong with the request itself: a status and a sentence (§10.1.2). A decision is never an error.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	p := web.ProblemOf(err)
	h := w.Header()
	echo(w, r)
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="gatehouse"`)
	}
	web.SetRetryAfter(h, err)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(p.Status)
	// A failed write means that the peer has gone: nobody is left to tell.
	_, _ = io.WriteString(w, p.Detail)
}
