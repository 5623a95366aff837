package apiv1

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// MaxBody is the longest request body, in bytes, that the admin API accepts.
const MaxBody = 1 << 20

// A Client calls the admin API. Its methods return an *Error when the server refuses, and the transport's error when there is
// no answer. It may be used from many goroutines.
type Client struct {
	BaseURL    string // the issuer, as in "https://gatehouse.example"
	HTTPClient *http.Client
	// Token returns an access token for the audience <issuer>/api/v1. It is asked for every call, so it should remember one.
	Token func(ctx context.Context) (string, error)
	// Key returns the Idempotency-Key of the next creation: for a program that goes on with what an earlier process may have begun.
	// nil: each has a new one.
	Key func() string
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// A call is one request under way.
type call struct {
	method, path string
	query        url.Values
	ifMatch      string
	key          string // Idempotency-Key; "": none
	body, answer any    // either may be nil
}

// do makes a call and returns the answer's ETag.
func (c *Client) do(ctx context.Context, k call) (etag string, err error) {
	resp, err := c.exchange(ctx, k)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	if k.answer != nil {
		if err := json.Unmarshal(data, k.answer); err != nil {
			return "", fmt.Errorf("the answer of %s is not of the admin API: %w", resp.Request.URL, err)
		}
	}
	return resp.Header.Get("ETag"), nil
}

// copy writes an answer of any size to w as it comes. One that was cut short is an error.
func (c *Client) copy(ctx context.Context, path string, query url.Values, w io.Writer) error {
	resp, err := c.exchange(ctx, call{method: http.MethodGet, path: path, query: query})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// exchange makes a call and returns the answer unless it is a refusal. The caller closes its body.
func (c *Client) exchange(ctx context.Context, k call) (*http.Response, error) {
	target := strings.TrimSuffix(c.BaseURL, "/") + "/api/v1" + k.path
	if len(k.query) > 0 {
		target += "?" + k.query.Encode()
	}
	var body io.Reader
	if k.body != nil {
		data, err := json.Marshal(k.body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		if len(data) > MaxBody {
			return nil, fmt.Errorf("the request would have %d bytes, and the server takes %d", len(data), MaxBody)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, k.method, target, body)
	if err != nil {
		return nil, err
	}
	token, err := c.Token(ctx)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if k.key != "" {
		req.Header.Set("Idempotency-Key", k.key)
	}
	if k.ifMatch != "" {
		req.Header.Set("If-Match", k.ifMatch)
	}
	resp, err := c.HTTPClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return nil, refusal(resp, data)
}

// refusal reads a problem; an answer that is none, of a proxy in between, is one without a code.
func refusal(resp *http.Response, data []byte) error {
	e := &Error{}
	if json.Unmarshal(data, e) != nil || e.Code == "" {
		e = &Error{Detail: "the server answered " + resp.Status + " without saying why"}
	}
	e.Status = resp.StatusCode
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	return e
}

// segment writes a reference as one segment of a path: ':' stands between the names of a node's path, since '/' cannot.
func segment(ref string) string { return "/" + url.PathEscape(strings.ReplaceAll(ref, "/", ":")) }

func (o PageOptions) query(pairs ...string) url.Values {
	q := url.Values{}
	if o.PageSize != 0 {
		q.Set("page_size", strconv.Itoa(o.PageSize))
	}
	if o.Token != "" {
		q.Set("page_token", o.Token)
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

func get[T any](ctx context.Context, c *Client, path string, q url.Values) (v T, etag string, err error) {
	etag, err = c.do(ctx, call{method: http.MethodGet, path: path, query: q, answer: &v})
	return v, etag, err
}

func send[T any](ctx context.Context, c *Client, method, path, ifMatch string, body any) (v T, etag string, err error) {
	etag, err = c.do(ctx, call{method: method, path: path, ifMatch: ifMatch, body: body, answer: &v})
	return v, etag, err
}

// create makes something. An answer that is lost on the way is asked for again with the same key, by which the server knows that it
// is one thing to be made: it is made once, and what is shown once, a secret, arrives.
func create[T any](ctx context.Context, c *Client, path string, body any) (v T, etag string, err error) {
	k := call{method: http.MethodPost, path: path, body: body, answer: &v, key: rand.Text()}
	if c.Key != nil {
		k.key = c.Key()
	}
	for wait := firstWait; ; wait *= 2 {
		etag, err = c.do(ctx, k)
		if err == nil || wait > lastWait || !lost(err) {
			return v, etag, err
		}
		select {
		case <-ctx.Done():
			return v, etag, err
		case <-time.After(wait):
		}
	}
}

// How long a creation waits for another try, each time twice as long: some three seconds in all.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = 1600 * time.Millisecond
)

// lost reports whether a request may have been carried out although no answer came, or is being carried out. A server that was not
// reached, and one that says that it could not, are another matter: whoever calls knows how long to go on.
func lost(err error) bool {
	var refused *Error
	if errors.As(err, &refused) {
		return refused.Code == "idempotency_in_progress" || refused.Status == http.StatusBadGateway || refused.Status == http.StatusGatewayTimeout
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return true
	}
	var transport interface{ Timeout() bool }
	var dial *net.OpError
	return errors.As(err, &transport) && transport.Timeout() && !(errors.As(err, &dial) && dial.Op == "dial")
}

func (c *Client) delete(ctx context.Context, path string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: path})
	return err
}

// Unreachable reports whether err means that the server gave no answer, or none of its own: a retry later may succeed.
func Unreachable(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return e.Status == http.StatusServiceUnavailable || e.Status == http.StatusBadGateway || e.Status == http.StatusGatewayTimeout
	}
	var u *url.Error
	return errors.As(err, &u)
}
