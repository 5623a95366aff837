package authserver

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

// NoticeStore keeps whom to tell of ended sessions. ClaimLogoutNotice gives one try to one of all who ask, on any replica, and nil to
// the others; Defer and Drop do nothing to a notice that was claimed or written anew since.
type NoticeStore interface {
	LogoutNotices(ctx context.Context) ([]iam.LogoutNotice, error)
	ClaimLogoutNotice(ctx context.Context, id string, now, until time.Time) (*iam.LogoutNotice, error)
	DeferLogoutNotice(ctx context.Context, claimed *iam.LogoutNotice, due time.Time) error
	DropLogoutNotice(ctx context.Context, claimed *iam.LogoutNotice) error
	Client(ctx context.Context, id iam.ClientID) (*iam.Client, error)
}

// A Notifier tells clients that a session has ended (OpenID Connect Back-Channel Logout 1.0 §2.5). What is to be told is in the store
// before the session ends, so that a process that dies leaves it to the next one, or to another replica. A client may be told twice;
// that the session is over is as true the second time.
type Notifier struct {
	Store  NoticeStore
	Tokens *token.Issuer
	HTTP   *http.Client // keeps to the addresses that may be called
	Now    func() time.Time
	Log    *slog.Logger

	wake chan struct{}
}

const (
	noticeTries    = 3
	noticesAtOnce  = 8
	noticeClaim    = 30 * time.Second // longer than a call may take
	noticeEvery    = 15 * time.Second // how often it is looked for what another process has left
	noticeMaxReply = 4 << 10          // read, so that the connection can be used again
)

// noticePause is how long a client is left alone after a try that failed.
var noticePause = [noticeTries]time.Duration{2 * time.Second, 15 * time.Second}

// NewNotifier returns a Notifier. Run makes it work.
func NewNotifier(n Notifier) *Notifier {
	n.wake = make(chan struct{}, 1)
	return &n
}

// Wake says that there may be something to tell. It returns at once.
func (n *Notifier) Wake() {
	select {
	case n.wake <- struct{}{}:
	default: // it is awake
	}
}

// Run tells what there is to tell until ctx ends. What is under way then is left to whoever looks next.
func (n *Notifier) Run(ctx context.Context) {
	for {
		wait := noticeEvery
		if next, err := n.round(ctx); err != nil {
			if ctx.Err() == nil {
				n.Log.WarnContext(ctx, "telling clients of ended sessions", "error", err)
			}
		} else if !next.IsZero() {
			wait = max(min(wait, next.Sub(n.Now())), 10*time.Millisecond)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-n.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// round tells what is due, some at once, and returns when the next is; zero when there is none.
func (n *Notifier) round(ctx context.Context) (next time.Time, err error) {
	notices, err := n.Store.LogoutNotices(ctx)
	if err != nil {
		return next, err
	}
	var mu sync.Mutex // of next and err
	var sending sync.WaitGroup
	slots := make(chan struct{}, noticesAtOnce)
	for _, notice := range notices {
		slots <- struct{}{}
		sending.Go(func() {
			defer func() { <-slots }()
			due, failed := n.tell(ctx, notice)
			mu.Lock()
			defer mu.Unlock()
			if failed != nil {
				err = failed
			}
			if !due.IsZero() && (next.IsZero() || due.Before(next)) {
				next = due
			}
		})
	}
	sending.Wait()
	return next, err
}

// tell makes one try, if the notice is due and nobody else does, and returns when it is due again; zero when it is done with.
func (n *Notifier) tell(ctx context.Context, notice iam.LogoutNotice) (due time.Time, err error) {
	now := n.Now()
	if now.Before(notice.DueAt) {
		return notice.DueAt, nil
	}
	claimed, err := n.Store.ClaimLogoutNotice(ctx, notice.ID, now, now.Add(noticeClaim))
	if err != nil || claimed == nil {
		return due, err
	}
	client, err := n.Store.Client(ctx, claimed.Client)
	if err != nil {
		return due, err // it stays claimed, and comes up again
	}
	if client == nil || client.Disabled || client.Web == nil || client.Web.BackchannelLogoutURI == "" {
		return due, n.Store.DropLogoutNotice(ctx, claimed)
	}
	err = n.send(ctx, client, claimed)
	log := n.Log.With("client_id", string(client.ID), "sid", claimed.SessionID, "try", claimed.Tries)
	switch {
	case err == nil:
		log.InfoContext(ctx, "client was told of the end of a session")
		return due, n.Store.DropLogoutNotice(ctx, claimed)
	case ctx.Err() != nil:
		return due, nil // we are ending: it is left claimed for the next one
	case claimed.Tries >= noticeTries:
		log.WarnContext(ctx, "client could not be told of the end of a session", "error", err)
		return due, n.Store.DropLogoutNotice(ctx, claimed)
	}
	log.InfoContext(ctx, "telling a client of the end of a session failed", "error", err)
	due = n.Now().Add(noticePause[claimed.Tries-1])
	return due, n.Store.DeferLogoutNotice(ctx, claimed, due)
}

// send posts a logout token. Any answer of success is one (§2.8); what else the answer says is for nobody.
func (n *Notifier) send(ctx context.Context, client *iam.Client, notice *iam.LogoutNotice) error {
	signed, err := n.Tokens.LogoutToken(client, notice.User, notice.SessionID)
	if err != nil {
		return err
	}
	body := url.Values{"logout_token": {signed}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, client.Web.BackchannelLogoutURI, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := n.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, noticeMaxReply) // it counts for nothing that the answer breaks off
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}
