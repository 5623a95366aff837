package directory

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// blocksAtOnce is how many blocks of lines one transaction writes or deletes.
const blocksAtOnce = 20

// abandoned is the age at which a review whose lines are not all written has been given up: whoever was at it has ended.
const abandoned = time.Hour

// OpenReview lists who holds what at a node and below, as it is now, for somebody to go through until due. The lines are written
// in parts, and the review appears with the last of them: one that is interrupted never does, and the next opening removes it.
// What is assigned meanwhile may be in the list or not; what a line says is compared with what holds when it is decided.
func (s *Service) OpenReview(ctx context.Context, by By, ref string, n apiv1.NewReview) (out apiv1.Review, err error) {
	now := s.Now().UTC()
	var f faults
	checkText(&f, "name", n.Name, 200)
	if err := f.err(); err != nil {
		return out, err
	}
	if !n.Due.After(now) {
		return out, iam.Errorf(iam.Invalid, "due: %s is past", n.Due.UTC().Format(time.RFC3339))
	}
	r := iam.Review{ID: newReviewID(now), Name: n.Name, Due: n.Due.UTC(), OpenedAt: now, OpenedBy: by.Subject}
	var path string
	var old []string
	err = s.update(ctx, by, func(w *work) error {
		node, err := w.reviewedNode(ref)
		if err != nil {
			return err
		}
		if path, err = w.pathOf(node.ID); err != nil {
			return err
		}
		if r.Node = node.ID; r.Name == "" {
			r.Name = path + " " + now.Format(time.DateOnly)
		}
		all, err := w.Reviews(node.ID)
		if err != nil {
			return err
		}
		if old, err = makeRoom(all, now); err != nil {
			return err
		}
		return w.PutReview(&r)
	})
	if err != nil {
		return out, err
	}
	for _, id := range old {
		if err := s.dropReview(ctx, by, r.Node, id); err != nil {
			return out, err
		}
	}
	l := &reviewLister{s: s, ctx: ctx, r: &r, via: make(map[iam.GroupID]*viaGroup)}
	if err := l.list(path); err != nil {
		return out, errors.Join(err, s.dropReview(context.WithoutCancel(ctx), by, r.Node, r.ID))
	}
	err = s.update(ctx, by, func(w *work) error {
		if _, err := w.reviewedNode(string(r.Node)); err != nil {
			return err
		}
		listed, err := w.unlisted(&r)
		if err != nil {
			return err
		}
		listed.Lines, listed.Hints, listed.Listed = l.count, l.hints.list(), true
		if err := w.PutReview(listed); err != nil {
			return err
		}
		out, err = w.showReview(listed)
		return err
	})
	if err != nil && iam.KindOf(err) != iam.Unavailable { // then it may be listed
		err = errors.Join(err, s.dropReview(context.WithoutCancel(ctx), by, r.Node, r.ID))
	}
	return out, err
}

// makeRoom says which reviews of a node, given the newest first, go when one more is opened: those that were given up, and the
// oldest closed ones beyond what a node keeps. What was decided in these is in the audit log. An open one never goes.
func makeRoom(all []*iam.Review, now time.Time) (old []string, err error) {
	for _, r := range slices.Backward(all) {
		givenUp := !r.Listed && now.Sub(r.OpenedAt) > abandoned
		beyond := len(all)-len(old) >= store.MaxReviews && !r.ClosedAt.IsZero()
		if givenUp || beyond {
			old = append(old, r.ID)
		}
	}
	if len(all)-len(old) >= store.MaxReviews {
		return nil, iam.Refuse(iam.Conflict, CodeTooManyReviews, "a node keeps %d access reviews, and all of them are open: close one", store.MaxReviews)
	}
	return old, nil
}

// idAlphabet keeps the order of what it encodes.
var idAlphabet = base32.HexEncoding.WithPadding(base32.NoPadding)

// newReviewID makes an identifier that sorts before those made earlier.
func newReviewID(now time.Time) string {
	id := make([]byte, 15)
	binary.BigEndian.PutUint64(id, math.MaxUint64-uint64(now.UnixMicro()))
	_, _ = rand.Read(id[8:]) // never fails
	return "rv_" + strings.ToLower(idAlphabet.EncodeToString(id))
}

// unlisted reads a review whose lines are being written.
func (w *work) unlisted(r *iam.Review) (*iam.Review, error) {
	now, err := w.Review(r.Node, r.ID)
	if err == nil && (now == nil || now.Listed) {
		err = iam.Errorf(iam.Conflict, "the review was removed while it was being opened")
	}
	return now, err
}

// dropReview removes a review and its lines. First nobody sees it any more.
func (s *Service) dropReview(ctx context.Context, by By, n iam.NodeID, id string) error {
	return s.execute(ctx, by, func(p *plan) error { return p.dropReview(n, id) })
}

// dropReviews plans the end of the reviews of a node.
func (p *plan) dropReviews(n iam.NodeID) error {
	reviews, err := p.Reviews(n)
	if err != nil {
		return err
	}
	for _, r := range reviews {
		if err := p.dropReview(n, r.ID); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) dropReview(n iam.NodeID, id string) error {
	blocks, err := p.ReviewBlocks(id)
	if err != nil {
		return err
	}
	err = p.step(func(w *work) (diff, error) {
		r, err := w.Review(n, id)
		if err != nil || r == nil || !r.Listed {
			return diff{}, err
		}
		r.Listed = false
		return diff{}, w.PutReview(r)
	})
	if err != nil {
		return err
	}
	for part := range slices.Chunk(blocks, blocksAtOnce) {
		err := p.step(func(w *work) (diff, error) {
			for _, n := range part {
				if err := w.PutReviewLines(id, n, nil); err != nil {
					return diff{}, err
				}
			}
			return diff{}, nil
		})
		if err != nil {
			return err
		}
	}
	return p.step(func(w *work) (diff, error) {
		r, err := w.Review(n, id)
		if err != nil || r == nil {
			return diff{}, err
		}
		return diff{}, w.DeleteReview(n, id)
	})
}

// A reviewLister writes the lines of a review that is being opened.
type reviewLister struct {
	s   *Service
	ctx context.Context
	r   *iam.Review

	lines     []iam.ReviewLine // not yet written
	described int              // how many of them have names and last uses
	block     int              // the next to write
	count     int              // of the lines that are written
	via       map[iam.GroupID]*viaGroup
	order     []iam.GroupID // of via
	hints     hinter
}

// viaGroup is what a group holds in the review, and the organization where it holds the first.
type viaGroup struct {
	org   iam.NodeID
	roles []iam.RoleID
}

// A place is a node on the way down, with what lines say of it.
type place struct {
	node *iam.Node
	path string
	org  iam.NodeID // the organization that its people are seen in; above one, the node itself
}

func (p place) below(n *iam.Node) place {
	if n.Level == iam.LevelOrganization {
		return place{n, n.Name, n.ID}
	}
	return place{n, p.path + "/" + n.Name, p.org}
}

// list writes a line for each role that is held at the node and below, and then for each membership that roles are held through.
func (l *reviewLister) list(path string) error {
	start, err := l.start(path)
	if err != nil {
		return err
	}
	for queue := []place{start}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if err := l.assignments(at); err != nil {
			return err
		}
		children, err := every(func(p store.PageOptions) (store.Page[*iam.Node], error) {
			return l.s.Store.Children(l.ctx, at.node.ID, p)
		})
		if err != nil {
			return err
		}
		slices.SortFunc(children, func(a, b *iam.Node) int { return strings.Compare(a.Name, b.Name) })
		for _, n := range children {
			queue = append(queue, at.below(n))
		}
	}
	for _, id := range l.order {
		if err := l.members(id); err != nil {
			return err
		}
	}
	if len(l.lines) == 0 {
		return nil
	}
	return l.put(len(l.lines))
}

func (l *reviewLister) start(path string) (place, error) {
	above, err := l.s.Store.Path(l.ctx, l.r.Node)
	if err != nil {
		return place{}, err
	}
	if len(above) == 0 {
		return place{}, missing("node", path)
	}
	n := above[len(above)-1]
	at := place{n, path, n.ID}
	for _, p := range above {
		if p.Level == iam.LevelOrganization {
			at.org = p.ID
		}
	}
	var m *access.Model
	err = l.s.view(l.ctx, func(w *work) (err error) {
		m, err = w.model(above)
		return err
	})
	l.hints = hinter{m: m}
	return at, err
}

// each calls do for every entry of a list, page after page.
func each[T any](list func(store.PageOptions) (store.Page[T], error), do func([]T) error) error {
	for p := (store.PageOptions{Limit: kv.MaxPage}); ; {
		page, err := list(p)
		if err != nil {
			return err
		}
		if err := do(page.Items); err != nil || page.Next == "" {
			return err
		}
		p.After = page.Next
	}
}

func every[T any](list func(store.PageOptions) (store.Page[T], error)) (out []T, err error) {
	err = each(list, func(items []T) error {
		out = append(out, items...)
		return nil
	})
	return out, err
}

func (l *reviewLister) assignments(at place) error {
	top := at.node.ID == l.r.Node || at.node.Level == iam.LevelOrganization
	page := func(p store.PageOptions) (store.Page[iam.Assignment], error) {
		return l.s.Store.Assignments(l.ctx, at.node.ID, p)
	}
	return each(page, func(held []iam.Assignment) error {
		for _, a := range held {
			l.hints.hold(at.node, top, a)
			if a.Subject.Kind == iam.SubjectGroup {
				l.through(iam.GroupID(a.Subject.ID), at.org, a.Roles)
			}
			for _, role := range a.Roles {
				l.lines = append(l.lines, iam.ReviewLine{Node: at.node.ID, Path: at.path, Subject: a.Subject, Roles: []iam.RoleID{role}})
			}
		}
		return l.write(at.org)
	})
}

func (l *reviewLister) through(g iam.GroupID, org iam.NodeID, roles []iam.RoleID) {
	v := l.via[g]
	if v == nil {
		v = &viaGroup{org: org}
		l.via[g] = v
		l.order = append(l.order, g)
	}
	for _, role := range roles {
		if !slices.Contains(v.roles, role) {
			v.roles = append(v.roles, role)
		}
	}
}

// members writes the lines of a custom group. Who is in a computed one follows from the other lines.
func (l *reviewLister) members(id iam.GroupID) error {
	g, err := l.s.Store.Group(l.ctx, id)
	if err != nil || g == nil {
		return err
	}
	path, err := l.pathOf(g.Node)
	if err != nil {
		return err
	}
	v := l.via[id]
	page := func(p store.PageOptions) (store.Page[iam.UserID], error) { return l.s.Store.Members(l.ctx, id, p) }
	return each(page, func(users []iam.UserID) error {
		for _, u := range users {
			l.hints.member(id, u.Subject())
			l.lines = append(l.lines, iam.ReviewLine{Node: g.Node, Path: path, Subject: u.Subject(), Group: id, Via: g.Name, Roles: v.roles})
		}
		return l.write(v.org)
	})
}

func (l *reviewLister) pathOf(n iam.NodeID) (path string, err error) {
	err = l.s.view(l.ctx, func(w *work) error {
		path, err = w.pathOf(n)
		return err
	})
	return path, err
}

// write completes the new lines, whose people are seen in org, and writes as many as fill transactions.
func (l *reviewLister) write(org iam.NodeID) error {
	if err := l.describe(org, l.lines[l.described:]); err != nil {
		return err
	}
	l.described = len(l.lines)
	for len(l.lines) >= blocksAtOnce*store.ReviewBlock {
		if err := l.put(blocksAtOnce * store.ReviewBlock); err != nil {
			return err
		}
	}
	return nil
}

func (l *reviewLister) put(n int) error {
	now := l.lines[:n]
	err := l.s.Store.Update(l.ctx, func(tx *store.Tx) error {
		w := &work{Tx: tx, s: l.s, ctx: l.ctx}
		if _, err := w.unlisted(l.r); err != nil {
			return err
		}
		block := l.block
		for lines := range slices.Chunk(now, store.ReviewBlock) {
			if err := tx.PutReviewLines(l.r.ID, block, lines); err != nil {
				return err
			}
			block++
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.block += (n + store.ReviewBlock - 1) / store.ReviewBlock
	l.count += n
	l.lines, l.described = l.lines[n:], l.described-n
	return nil
}

// readers is how many names and last uses are asked for at once: each may be an exchange with the store.
const readers = 8

// describe adds names and last uses to lines of one organization.
func (l *reviewLister) describe(org iam.NodeID, lines []iam.ReviewLine) error {
	if len(lines) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancelCause(l.ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for part := range slices.Chunk(lines, (len(lines)+readers-1)/readers) { // each goroutine has lines of its own
		wg.Go(func() {
			for i := range part {
				if err := l.describeLine(ctx, org, &part[i]); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (l *reviewLister) describeLine(ctx context.Context, org iam.NodeID, line *iam.ReviewLine) (err error) {
	st := l.s.Store
	line.Name, err = named{
		func(id iam.UserID) (*iam.User, error) { return st.User(ctx, id) },
		func(id iam.ClientID) (*iam.Client, error) { return st.Client(ctx, id) },
		func(id iam.GroupID) (*iam.Group, error) { return st.Group(ctx, id) },
	}.of(line.Subject)
	if err != nil || l.s.SubjectUsed == nil {
		return err
	}
	line.LastUsed, err = l.s.SubjectUsed(ctx, org, line.Subject)
	return err
}
