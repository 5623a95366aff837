package adminapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// A POST that makes something is carried out once for each Idempotency-Key of a caller. The key is claimed, durably, before
// anything is done; the answer is kept, sealed since it may hold a secret, before it is sent. A claim whose process died ends by
// itself. What was refused is not kept: nothing was made, and the next request may do better.
const (
	idempotencyKey  = "Idempotency-Key"
	maxKey          = 255
	answerLife      = 24 * time.Hour
	claimLife       = time.Minute      // how long a request may take, as the listener bounds it
	operationLife   = 50 * time.Second // what it does ends before its claim: no two carry out one intent
	purposeOfAnswer = "idempotent-answer"
)

var (
	errKeyReused  = iam.Refuse(iam.Invalid, "idempotency_key_reused", "this Idempotency-Key was sent with another request: choose a new one for each thing to be made")
	errInProgress = iam.Refuse(iam.Conflict, "idempotency_in_progress", "the request with this Idempotency-Key is under way: ask again for its answer")
)

// A keptAnswer is what a repeated request is answered with.
type keptAnswer struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	ETag   string `json:"etag,omitempty"`
	Body   []byte `json:"body"`
}

// A held answer is not sent yet.
type held struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader keeps the status.
func (h *held) WriteHeader(status int) { h.status = status }

// Write keeps a part of the body.
func (h *held) Write(p []byte) (int, error) { return h.body.Write(p) }

// once carries an operation out unless the caller's key says that it has been.
func (a *api) once(ctx huma.Context, c *call, next func(huma.Context)) {
	key, err := keyOf(c.header)
	if err != nil || key == "" {
		if c.err = err; err == nil {
			next(ctx)
		}
		return
	}
	by := c.caller.subject().String() + " " + string(c.caller.claims.ClientID) + " " + string(c.caller.claims.OrgID)
	id := digest(by, key)
	// A body may hold a secret that somebody chose. The key, which is kept nowhere, keeps it from being guessed by its print.
	mine := store.Intent{Print: digest(key, c.target, string(c.body)), Claim: rand.Text()}
	known, err := a.Store.Claim(ctx.Context(), id, mine, claimLife)
	switch {
	case err != nil:
		c.err = err
	case known == nil:
		a.carryOut(ctx, c, id, mine, next)
	case known.Print != mine.Print:
		c.err = errKeyReused
	case known.Answer == nil:
		c.Header().Set("Retry-After", "1")
		c.err = errInProgress
	default:
		c.err = a.replay(c, id, known)
	}
}

// carryOut does what was asked and keeps the answer before it is sent, or gives the claim up.
func (a *api) carryOut(ctx huma.Context, c *call, id string, mine store.Intent, next func(huma.Context)) {
	bounded, cancel := context.WithTimeout(ctx.Context(), operationLife)
	defer cancel()
	out, answer := c.ResponseWriter, &held{ResponseWriter: c.ResponseWriter, status: http.StatusOK}
	c.ResponseWriter = answer
	next(huma.WithContext(ctx, bounded))
	c.ResponseWriter = out
	after := context.WithoutCancel(ctx.Context()) // the caller who has gone is the one who will ask again
	if c.err != nil {
		if err := a.Store.Release(after, id, mine.Claim); err != nil {
			web.Add(after, slog.String("idempotency_key_stays_claimed", err.Error()))
		}
		return
	}
	if err := a.keep(after, id, mine, answer); err != nil {
		web.Add(after, slog.String("idempotent_answer_not_kept", err.Error()))
	}
	out.WriteHeader(answer.status)
	_, _ = out.Write(answer.body.Bytes()) // a failed write means that the peer has gone
}

func (a *api) keep(ctx context.Context, id string, mine store.Intent, answer *held) error {
	h := answer.Header()
	plain, err := json.Marshal(keptAnswer{Status: answer.status, Type: h.Get("Content-Type"), ETag: h.Get("ETag"), Body: answer.body.Bytes()})
	if err != nil {
		return err
	}
	if mine.Answer, err = a.Sealer.Seal(purposeOfAnswer, id, plain); err != nil {
		return err
	}
	return a.Store.Answered(ctx, id, mine, answerLife)
}

// replay gives the answer of the first time.
func (a *api) replay(c *call, id string, known *store.Intent) error {
	plain, err := a.Sealer.Open(purposeOfAnswer, id, known.Answer)
	if err != nil {
		return err
	}
	var kept keptAnswer
	if err := json.Unmarshal(plain, &kept); err != nil {
		return err
	}
	h := c.Header()
	h.Set("Content-Type", kept.Type)
	if kept.ETag != "" {
		h.Set("ETag", kept.ETag)
	}
	h.Set("Idempotency-Replayed", "true")
	c.WriteHeader(kept.Status)
	_, _ = c.Write(kept.Body) // a failed write means that the peer has gone
	return nil
}

// keyOf returns the key of a request, "" when it has none.
func keyOf(h http.Header) (string, error) {
	values := h[idempotencyKey]
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if len(values) > 1 || key == "" || len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r <= 0x20 || r >= 0x7f }) {
		return "", malformed("%s: want one, of 1 to %d visible ASCII characters", idempotencyKey, maxKey)
	}
	return key, nil
}

// digest names a few texts by their hash. None but the last may contain what separates them.
func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
