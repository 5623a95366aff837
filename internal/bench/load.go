package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A target is where a load goes: form makes a request's body, want is how a good answer begins. A request is a POST of a form
// unless it has a bearer token: then it is a POST of JSON, or a GET when form is nil.
type target struct {
	addr, path string
	bearer     string
	form       func(r *rand.Rand) []byte
	want       string
}

// body makes a request's body, nil for a GET.
func (t target) body(r *rand.Rand) []byte {
	if t.form == nil {
		return nil
	}
	return t.form(r)
}

// A result is what a load saw.
type result struct {
	Good, Refused int
	took          time.Duration
	latencies     []time.Duration // of good answers, sorted
}

func (r result) rate() float64 { return float64(r.Good) / r.took.Seconds() }

// quantile returns the latency below which the share q of good answers lies.
func (r result) quantile(q float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	return r.latencies[min(int(q*float64(len(r.latencies))), len(r.latencies)-1)]
}

// load keeps conns connections busy for the given time, each sending its next request when the answer to the last has come.
func load(ctx context.Context, t target, conns int, length time.Duration) (result, error) {
	return t.crowd(ctx, conns, func(c *connection, _ int, start time.Time, r *result) error {
		for time.Since(start) < length && ctx.Err() == nil {
			if err := c.ask(t, t.body(c.random), r); err != nil {
				return err
			}
		}
		return nil
	})
}

// arrive sends requests at fixed times, rate of them a second, each on the connection whose turn it is. A request whose
// connection still waits for an answer when it is due is not sent, so at most conns wait at any moment, and nobody makes up for
// what was not sent.
func arrive(ctx context.Context, t target, conns int, rate float64, length time.Duration) (result, error) {
	gap := time.Duration(float64(conns) / rate * float64(time.Second)) // of one connection
	return t.crowd(ctx, conns, func(c *connection, i int, start time.Time, r *result) error {
		due := start.Add(gap * time.Duration(i) / time.Duration(conns))
		for due.Sub(start) < length && ctx.Err() == nil {
			time.Sleep(time.Until(due))
			if err := c.ask(t, t.body(c.random), r); err != nil {
				return err
			}
			due = due.Add(gap)
			if late := time.Since(due); late > 0 {
				due = due.Add(late.Truncate(gap))
				if time.Since(due) > 0 {
					due = due.Add(gap)
				}
			}
		}
		return nil
	})
}

// crowd runs drive on each of conns connections at once and adds up what they saw.
func (t target) crowd(ctx context.Context, conns int, drive func(c *connection, i int, start time.Time, r *result) error) (result, error) {
	all := make([]*connection, conns)
	for i := range all {
		c, err := t.dial(ctx, i)
		if err != nil {
			return result{}, err
		}
		defer c.Close()
		all[i] = c
	}
	var (
		mu    sync.Mutex
		total result
		errs  error
		wg    sync.WaitGroup
	)
	start := time.Now()
	for i, c := range all {
		wg.Go(func() {
			var one result
			err := drive(c, i, start, &one)
			mu.Lock()
			defer mu.Unlock()
			total.Good += one.Good
			total.Refused += one.Refused
			total.latencies = append(total.latencies, one.latencies...)
			errs = errors.Join(errs, err)
		})
	}
	wg.Wait()
	total.took = time.Since(start)
	slices.Sort(total.latencies)
	return total, errs
}

// each sends n requests over conns connections and hands every answer, which must be a good one, to answered.
func each(ctx context.Context, t target, conns, n int, form func(i int) []byte, answered func(i int, answer []byte) error) error {
	var next atomic.Int64
	_, err := t.crowd(ctx, min(conns, n), func(c *connection, _ int, _ time.Time, r *result) error {
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= n {
				return nil
			}
			status, answer, err := c.send(t, form(i))
			if err != nil {
				return err
			}
			if status != 200 || !bytes.HasPrefix(answer, []byte(t.want)) {
				return fmt.Errorf("%s: answered %d: %.200s", t.path, status, answer)
			}
			if err := answered(i, answer); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	return err
}

// A connection speaks as much HTTP/1.1 as it takes, cheaply: what it uses of the machine the server does not have.
type connection struct {
	net.Conn
	in     *bufio.Reader
	out    []byte
	random *rand.Rand
}

func (t target) dial(ctx context.Context, i int) (*connection, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.addr)
	if err != nil {
		return nil, err
	}
	return &connection{
		Conn: conn, in: bufio.NewReaderSize(conn, 4<<10), out: make([]byte, 0, 4<<10),
		random: rand.New(rand.NewPCG(uint64(i), uint64(time.Now().UnixNano()))),
	}, nil
}

// ask sends one request and counts its answer. 503 with Retry-After is a refusal; anything else but a good answer is an error.
func (c *connection) ask(t target, form []byte, r *result) error {
	start := time.Now()
	status, answer, err := c.send(t, form)
	switch {
	case err != nil:
		return err
	case status == 200 && bytes.HasPrefix(answer, []byte(t.want)):
		r.Good++
		r.latencies = append(r.latencies, time.Since(start))
	case status == 503:
		r.Refused++
	default:
		return fmt.Errorf("%s: answered %d: %.200s", t.path, status, answer)
	}
	return nil
}

// send sends a request and returns the answer.
func (c *connection) send(t target, body []byte) (status int, answer []byte, err error) {
	method, kind := "POST ", "application/x-www-form-urlencoded"
	switch {
	case body == nil:
		method = "GET "
	case t.bearer != "":
		kind = "application/json"
	}
	out := append(c.out[:0], method...)
	out = append(out, t.path...)
	out = append(out, " HTTP/1.1\r\nHost: "...)
	out = append(out, c.RemoteAddr().String()...)
	if t.bearer != "" {
		out = append(out, "\r\nAuthorization: Bearer "...)
		out = append(out, t.bearer...)
	}
	if body != nil {
		out = append(out, "\r\nContent-Type: "...)
		out = append(out, kind...)
		out = append(out, "\r\nContent-Length: "...)
		out = strconv.AppendInt(out, int64(len(body)), 10)
	}
	out = append(out, "\r\n\r\n"...)
	out = append(out, body...)
	c.out = out
	if _, err := c.Write(out); err != nil {
		return 0, nil, err
	}
	return readAnswer(c.in)
}

// readAnswer reads one HTTP/1.1 answer with a Content-Length, or in chunks.
func readAnswer(in *bufio.Reader) (status int, body []byte, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, fmt.Errorf("bad status line %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length, again, chunked := -1, false, false
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
		if v, ok := cutFold(line, "content-length:"); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				return 0, nil, err
			}
		}
		if _, ok := cutFold(line, "retry-after:"); ok {
			again = true
		}
		if _, ok := cutFold(line, "transfer-encoding:"); ok {
			chunked = true
		}
	}
	if chunked {
		body, err = readChunks(in)
		return status, body, err
	}
	if length < 0 {
		return 0, nil, errors.New("answer without Content-Length")
	}
	if status == 503 && !again {
		return 0, nil, errors.New("answer 503 without Retry-After")
	}
	body = make([]byte, length)
	_, err = io.ReadFull(in, body)
	return status, body, err
}

func readChunks(in *bufio.Reader) ([]byte, error) {
	var body []byte
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		size, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return nil, err
		}
		start := len(body)
		body = append(body, make([]byte, size+2)...) // with the line end after it
		if _, err := io.ReadFull(in, body[start:]); err != nil {
			return nil, err
		}
		if body = body[:start+int(size)]; size == 0 {
			return body, nil
		}
	}
}

func cutFold(line []byte, name string) ([]byte, bool) {
	if len(line) < len(name) || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return line[len(name):], true
}
