package adminapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// maxRefusals is how many refusals of one caller have a line of their own in a minute. The others are counted, and told in one line.
const maxRefusals = 30

// maxRefused bounds how many callers are remembered, and how many streams of each.
const maxRefused = 4096

// Refusals counts the refusals of each caller, so that nobody fills the audit log, which is never trimmed. Flush must be called
// now and then, and at the end.
type Refusals struct {
	Directory *directory.Service
	Now       func() time.Time
	Log       *slog.Logger

	mu      sync.Mutex
	callers map[iam.Subject]*refused
}

// refused is what a caller was refused in the minute that began at begun.
type refused struct {
	by    directory.By
	begun time.Time
	lines int
	more  map[iam.NodeID]int // by the node at which it was
}

// refusalOf returns the code of a refusal that is worth a line: of what the caller may not do or know, or what a rule forbids. What
// cannot be read, is too early, too much or a fault of ours tells nothing of the caller's rights.
func refusalOf(err error) (code string, absent, ok bool) {
	p := web.ProblemOf(err)
	switch {
	case p.Status == http.StatusForbidden, p.Status == http.StatusConflict, unprocessable[p.Code]:
		return p.Code, false, true
	case p.Status == http.StatusNotFound:
		return p.Code, true, true
	}
	return "", false, false
}

// refused writes the line of a refused call before the answer. Where that fails, the answer is the same.
func (a *api) refused(ctx context.Context, c *call, vars map[string]string) {
	code, absent, ok := refusalOf(c.err)
	if !ok || a.Refusals == nil {
		return
	}
	node, subject, exists := a.touched(ctx, c.caller, vars)
	_, atNode := vars["node"]
	if absent && !exists && !atNode {
		return // there is no such thing: nobody was kept from anything
	}
	r := a.Refusals
	if !r.admit(c.caller.by(), node) {
		return
	}
	if err := r.Directory.NoteRefusal(ctx, c.caller.by(), c.operation, subject, node, code); err != nil {
		r.Log.WarnContext(ctx, "a refusal could not be written into the audit log", "error", err)
	}
}

// touched finds what a call was about, whoever may know of it: its node, and itself as kind:id. A user has his id there, however the
// path names him, so that all lines about somebody are found together.
func (a *api) touched(ctx context.Context, by *caller, vars map[string]string) (node iam.NodeID, subject string, exists bool) {
	if ref := vars["node"]; ref != "" {
		id, err := a.Directory.Place(ctx, path(ref))
		node, exists = id, err == nil && id != ""
	}
	for _, kind := range []string{"client", "user", "group", "audience", "kid"} {
		if id := vars[kind]; id != "" {
			subject = kind + ":" + id
		}
	}
	if ref := vars["user"]; ref == directory.Me {
		subject = by.subject().String()
	} else if id, err := a.Directory.UserID(ctx, ref); err == nil && ref != "" {
		subject = id.Subject().String()
	}
	if id := vars["client"]; id != "" && node == "" {
		if c, err := a.Store.Client(ctx, iam.ClientID(id)); err == nil && c != nil {
			node, exists = c.Organization, true
		}
	}
	if id := vars["group"]; id != "" && node == "" {
		if g, err := a.Store.Group(ctx, iam.GroupID(id)); err == nil && g != nil {
			node, exists = g.Node, true
		}
	}
	if id := vars["user"]; id != "" && !exists {
		u, err := a.Store.User(ctx, iam.UserID(id))
		exists = err == nil && u != nil
	}
	if len(subject) > 200 {
		subject = strings.ToValidUTF8(subject[:200], "")
	}
	return node, subject, exists
}

// admit reports whether a refusal has a line of its own, and counts it otherwise.
func (r *Refusals) admit(by directory.By, node iam.NodeID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.callers == nil {
		r.callers = make(map[iam.Subject]*refused)
	}
	c := r.callers[by.Subject]
	if c == nil {
		if len(r.callers) >= maxRefused {
			return false // until the next Flush, which is soon; that many callers are no accident
		}
		c = &refused{begun: r.Now(), more: make(map[iam.NodeID]int)}
		r.callers[by.Subject] = c
	}
	if len(c.more) == 0 && r.Now().Sub(c.begun) >= time.Minute {
		c.begun, c.lines = r.Now(), 0
	}
	c.by = by
	if c.lines < maxRefusals {
		c.lines++
		return true
	}
	if _, known := c.more[node]; !known && len(c.more) >= maxRefusals {
		node = ""
	}
	c.more[node]++
	return false
}

// Flush tells how many more refusals there were of those callers whose minute has passed, or of all.
func (r *Refusals) Flush(ctx context.Context, all bool) error {
	r.mu.Lock()
	var due []*refused
	for s, c := range r.callers {
		if all || r.Now().Sub(c.begun) >= time.Minute {
			due = append(due, c)
			delete(r.callers, s)
		}
	}
	r.mu.Unlock()
	var errs []error
	for _, c := range due {
		for node, n := range c.more {
			if err := r.Directory.NoteMoreRefusals(ctx, c.by, node, n); err != nil {
				errs = append(errs, err)
				continue
			}
			delete(c.more, node)
		}
		if len(c.more) > 0 {
			r.keep(c)
		}
	}
	return errors.Join(errs...)
}

// keep remembers counts that could not be told for the next Flush, with what was refused meanwhile.
func (r *Refusals) keep(untold *refused) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.callers[untold.by.Subject]
	if now == nil {
		r.callers[untold.by.Subject] = untold
		return
	}
	for node, n := range untold.more {
		now.more[node] += n
	}
}
