package authzen

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// evaluation answers one question (§6).
func (s *Server) evaluation(r *http.Request, by directory.By, in question) (verdict, error) {
	return s.evaluate(r.Context(), by, in)
}

func (s *Server) evaluate(ctx context.Context, by directory.By, in question) (v verdict, err error) {
	var q apiv1.AccessQuestion
	if q.Subject, err = in.subject(); err != nil {
		return v, err
	}
	if q.Action, err = in.action(); err != nil {
		return v, err
	}
	if q.Resource, err = in.resource(); err != nil {
		return v, err
	}
	d, err := s.Directory.Check(ctx, by, q)
	if err != nil || d.Decision {
		return verdict{Decision: err == nil}, err
	}
	why := &verdictReason{ReasonUser: map[string]string{d.Reason: userReasons[d.Reason]}}
	if d.Detail != "" {
		why.ReasonAdmin = map[string]string{d.Reason: d.Detail}
	}
	return verdict{Context: why}, nil
}

var userReasons = map[string]string{
	apiv1.ReasonForbidden: "You may not do this here.",
	apiv1.ReasonNotFound:  "There is nothing here that you may see.",
}

// The values of options.evaluations_semantic (§7.1.2).
const (
	executeAll          = "execute_all"
	denyOnFirstDeny     = "deny_on_first_deny"
	permitOnFirstPermit = "permit_on_first_permit"
)

// maxEvaluations is how many questions one request may ask.
const maxEvaluations = 1000

// questions is the request of evaluations (§7.1): what stands at its top is the default of every one.
type questions struct {
	question
	Evaluations []question `json:"evaluations"`
	Options     struct {
		Semantic string `json:"evaluations_semantic"`
	} `json:"options"`
}

// verdicts is the answer: Evaluations where several were asked, else the one verdict.
type verdicts struct {
	*verdict
	Evaluations []verdict `json:"evaluations,omitempty"`
}

// evaluations answers several questions in their order (§7). A question that cannot be answered is denied, and its context says why;
// the others are answered all the same.
func (s *Server) evaluations(r *http.Request, by directory.By, in questions) (verdicts, error) {
	switch in.Options.Semantic {
	case "", executeAll, denyOnFirstDeny, permitOnFirstPermit:
	default:
		return verdicts{}, iam.Errorf(iam.Invalid, "options.evaluations_semantic: want %s, %s or %s", executeAll, denyOnFirstDeny, permitOnFirstPermit)
	}
	if len(in.Evaluations) == 0 {
		v, err := s.evaluate(r.Context(), by, in.question)
		return verdicts{verdict: &v}, err
	}
	if len(in.Evaluations) > maxEvaluations {
		return verdicts{}, iam.Errorf(iam.Invalid, "evaluations: %d are more than %d", len(in.Evaluations), maxEvaluations)
	}
	out := verdicts{Evaluations: make([]verdict, 0, len(in.Evaluations))}
	for _, q := range in.Evaluations {
		v, err := s.evaluate(r.Context(), by, q.or(in.question))
		if err != nil {
			if v, err = failed(err); err != nil {
				return verdicts{}, err
			}
		}
		out.Evaluations = append(out.Evaluations, v)
		if v.Decision && in.Options.Semantic == permitOnFirstPermit || !v.Decision && in.Options.Semantic == denyOnFirstDeny {
			break
		}
	}
	return out, nil
}

// or fills in what q leaves out: whole members, and of a subject or resource its type or identifier.
func (q question) or(defaults question) question {
	q.Subject = q.Subject.or(defaults.Subject)
	q.Resource = q.Resource.or(defaults.Resource)
	if q.Action == nil {
		q.Action = defaults.Action
	}
	return q
}

func (e *entity) or(defaults *entity) *entity {
	if e == nil || defaults == nil {
		if e == nil {
			return defaults
		}
		return e
	}
	out := *e
	if out.Type == "" {
		out.Type = defaults.Type
	}
	if out.ID == "" {
		out.ID = defaults.ID
	}
	return &out
}

// failed denies a question that was refused. A fault of ours is no answer to any question: it ends the request.
func failed(err error) (verdict, error) {
	if k := iam.KindOf(err); k == iam.Internal || k == iam.Unavailable {
		return verdict{}, err
	}
	p := web.ProblemOf(err)
	return verdict{Context: &verdictReason{Error: &verdictError{Status: p.Status, Message: p.Detail}}}, nil
}
