package authzen

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// How many results a part of a search has: what it is without a limit, and at most.
const (
	defaultResults = 100
	maxResults     = 1000
)

// part reads which part of a list is asked for. list names the list with all that it depends on, so that a token of another search,
// or of another question, is refused.
func (q *question) part(list string) (store.PageOptions, error) {
	p := store.PageOptions{Limit: defaultResults}
	if q.Page == nil {
		return p, nil
	}
	if q.Page.Limit != nil {
		if *q.Page.Limit < 1 {
			return p, iam.Errorf(iam.Invalid, "page.limit: want 1 or more")
		}
		p.Limit = min(*q.Page.Limit, maxResults)
	}
	var err error
	p.After, err = web.Place(list, q.Page.Token)
	return p, err
}

// searchSubject lists the subjects of one type that may do something at a resource, by identifier: those whose evaluation is true.
func (s *Server) searchSubject(r *http.Request, by directory.By, in question) (out results[entity], err error) {
	if in.Subject == nil || in.Subject.Type == "" {
		return out, required("subject.type")
	}
	do, err := in.action()
	if err != nil {
		return out, err
	}
	where, err := in.resource()
	if err != nil {
		return out, err
	}
	list := fmt.Sprintf("subjects %q %q %q %q", in.Subject.Type, do, where.Type, where.ID)
	p, err := in.part(list)
	if err != nil {
		return out, err
	}
	found, err := s.Directory.WhoCan(r.Context(), by, iam.SubjectKind(in.Subject.Type), do, where, p)
	if err != nil {
		return out, err
	}
	for _, sub := range found.Subjects {
		out.Results = append(out.Results, entity{Type: sub.Type, ID: sub.ID})
	}
	if found.Anyone {
		out.Context = &searchContext{Anyone: true}
	}
	return out.end(list, found.Next), nil
}

// searchResource lists the resources of one type at which a subject may do something. The property within of the resource names a node
// at and below which to look.
func (s *Server) searchResource(r *http.Request, by directory.By, in question) (out results[entity], err error) {
	q := directory.WhereQuestion{}
	if q.Subject, err = in.subject(); err != nil {
		return out, err
	}
	if q.Action, err = in.action(); err != nil {
		return out, err
	}
	if in.Resource == nil || in.Resource.Type == "" {
		return out, required("resource.type")
	}
	q.Type = in.Resource.Type
	if q.Within, err = in.Resource.within(); err != nil {
		return out, err
	}
	list := fmt.Sprintf("resources %q %q %q %q %q", q.Subject.Type, q.Subject.ID, q.Action, q.Type, q.Within)
	p, err := in.part(list)
	if err != nil {
		return out, err
	}
	found, err := s.Directory.Where(r.Context(), by, q, p)
	if err != nil {
		return out, err
	}
	for _, id := range found.Items {
		out.Results = append(out.Results, entity{Type: q.Type, ID: string(id)})
	}
	return out.end(list, found.Next), nil
}

func (e *entity) within() (string, error) {
	var p struct {
		Within string `json:"within"`
	}
	if len(e.Properties) == 0 {
		return "", nil
	}
	if err := json.Unmarshal(e.Properties, &p); err != nil {
		return "", iam.Errorf(iam.Invalid, "resource.properties.within: want the id or path of a node")
	}
	return p.Within, nil
}

// searchAction lists what a subject may do at a resource, by name.
func (s *Server) searchAction(r *http.Request, by directory.By, in question) (out results[action], err error) {
	about, err := in.subject()
	if err != nil {
		return out, err
	}
	where, err := in.resource()
	if err != nil {
		return out, err
	}
	list := fmt.Sprintf("actions %q %q %q %q", about.Type, about.ID, where.Type, where.ID)
	p, err := in.part(list)
	if err != nil {
		return out, err
	}
	found, err := s.Directory.Actions(r.Context(), by, about, where)
	if err != nil {
		return out, err
	}
	from, hit := slices.BinarySearch(found, p.After)
	if hit {
		from++
	}
	next := ""
	if rest := found[from:]; len(rest) > p.Limit {
		found, next = rest[:p.Limit], rest[p.Limit-1]
	} else {
		found = rest
	}
	for _, name := range found {
		out.Results = append(out.Results, action{Name: name})
	}
	return out.end(list, next), nil
}

// end completes the answer: an empty list rather than none, and the token of the part that follows, "" at the end.
func (r results[T]) end(list, next string) results[T] {
	if r.Results == nil {
		r.Results = []T{}
	}
	r.Page = resultPage{NextToken: web.PageToken(list, next), Count: len(r.Results)}
	return r
}
