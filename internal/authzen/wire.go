package authzen

import (
	"encoding/json"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// An entity is a subject or a resource (§5.1, §5.2). Properties are read where the API says so, and ignored otherwise.
type entity struct {
	Type       string          `json:"type"`
	ID         string          `json:"id,omitempty"`
	Properties json.RawMessage `json:"properties,omitempty"`
}

// An action is what somebody would do (§5.3): its name is a permission of the access model.
type action struct {
	Name string `json:"name"`
}

// A question is the request of an evaluation (§6.1), and of a search, which leaves out what it searches for. Its context is not read:
// no access model decides by it.
type question struct {
	Subject  *entity `json:"subject"`
	Action   *action `json:"action"`
	Resource *entity `json:"resource"`
	Page     *page   `json:"page"`
}

// A page asks for a part of the results of a search (§8).
type page struct {
	Token string `json:"token"`
	Limit *int   `json:"limit"`
}

// A verdict is the answer to an evaluation (§6.2).
type verdict struct {
	Decision bool           `json:"decision"`
	Context  *verdictReason `json:"context,omitempty"`
}

// A verdictReason says why not. The keys of both reasons are the status that a resource server answers with: "404" where the subject
// may not know that the resource exists, else "403". The reason for administrators is for callers who may review access there.
type verdictReason struct {
	ReasonUser  map[string]string `json:"reason_user,omitempty"`
	ReasonAdmin map[string]string `json:"reason_admin,omitempty"`
	Error       *verdictError     `json:"error,omitempty"`
}

// A verdictError says what is wrong with one of several evaluations.
type verdictError struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
}

// results is the answer to a search (§8).
type results[T any] struct {
	Results []T            `json:"results"`
	Page    resultPage     `json:"page"`
	Context *searchContext `json:"context,omitempty"`
}

type resultPage struct {
	NextToken string `json:"next_token"`
	Count     int    `json:"count"`
}

// A searchContext tells what a list of subjects cannot: that everybody may.
type searchContext struct {
	Anyone bool `json:"anyone"`
}

// subject refuses a subject that lacks what an evaluation needs. Anonymous has no identifier; what is sent for one is ignored.
func (q *question) subject() (*apiv1.Subject, error) {
	switch {
	case q.Subject == nil || q.Subject.Type == "":
		return nil, required("subject.type")
	case q.Subject.ID == "" && q.Subject.Type != string(iam.SubjectAnonymous):
		return nil, required("subject.id")
	}
	return &apiv1.Subject{Type: q.Subject.Type, ID: q.Subject.ID}, nil
}

func (q *question) action() (string, error) {
	if q.Action == nil || q.Action.Name == "" {
		return "", required("action.name")
	}
	return q.Action.Name, nil
}

func (q *question) resource() (apiv1.Resource, error) {
	switch {
	case q.Resource == nil || q.Resource.Type == "":
		return apiv1.Resource{}, required("resource.type")
	case q.Resource.ID == "":
		return apiv1.Resource{}, required("resource.id")
	}
	return apiv1.Resource{Type: q.Resource.Type, ID: q.Resource.ID}, nil
}

func required(member string) error { return iam.Errorf(iam.Invalid, "%s: is missing", member) }
