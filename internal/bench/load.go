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
	"time"
)

// A target is where a load goes. body makes the n-th request's form; want is how a good answer begins.
type target struct {
	addr, path string
	body       func(r *rand.Rand) []byte
	want       string
}

// A result is what a load saw.
type result struct {
	good, refused int
	took          time.Duration
	latencies     []time.Duration // of good answers, sorted
}

func (r result) rate() float64 { return float64(r.good) / r.took.Seconds() }

// quantile returns the latency below which the share q of good answers lies.
func (r result) quantile(q float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	return r.latencies[min(int(q*float64(len(r.latencies))), len(r.latencies)-1)]
}

// load keeps conns connections busy for the given time, each sending its next request when the answer to the last has come.
// An answer 503 counts as refused; anything else but a good one is an error.
func load(ctx context.Context, t target, conns int, length time.Duration) (result, error) {
	var (
		mu    sync.Mutex
		total result
		errs  error
		wg    sync.WaitGroup
	)
	start := time.Now()
	for i := range conns {
		wg.Go(func() {
			one, err := t.drive(ctx, start.Add(length), rand.New(rand.NewPCG(uint64(i), uint64(start.UnixNano()))))
			mu.Lock()
			defer mu.Unlock()
			total.good += one.good
			total.refused += one.refused
			total.latencies = append(total.latencies, one.latencies...)
			errs = errors.Join(errs, err)
		})
	}
	wg.Wait()
	total.took = time.Since(start)
	slices.Sort(total.latencies)
	return total, errs
}

func (t target) drive(ctx context.Context, until time.Time, random *rand.Rand) (r result, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.addr)
	if err != nil {
		return r, err
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 16<<10)
	out := make([]byte, 0, 4<<10)
	for time.Now().Before(until) && ctx.Err() == nil {
		form := t.body(random)
		out = append(out[:0], "POST "...)
		out = append(out, t.path...)
		out = append(out, " HTTP/1.1\r\nHost: "...)
		out = append(out, t.addr...)
		out = append(out, "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "...)
		out = strconv.AppendInt(out, int64(len(form)), 10)
		out = append(out, "\r\n\r\n"...)
		out = append(out, form...)
		start := time.Now()
		if _, err := conn.Write(out); err != nil {
			return r, err
		}
		status, body, err := readAnswer(in)
		switch {
		case err != nil:
			return r, err
		case status == 200 && bytes.HasPrefix(body, []byte(t.want)):
			r.good++
			r.latencies = append(r.latencies, time.Since(start))
		case status == 503:
			r.refused++
			time.Sleep(time.Millisecond) // a caller who is told to come back later does not come back at once
		default:
			return r, fmt.Errorf("%s: answered %d: %.200s", t.path, status, body)
		}
	}
	return r, nil
}

// readAnswer reads one HTTP/1.1 answer with a Content-Length.
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
	length := -1
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
	}
	if length < 0 {
		return 0, nil, errors.New("answer without Content-Length")
	}
	body = make([]byte, length)
	_, err = io.ReadFull(in, body)
	return status, body, err
}

func cutFold(line []byte, name string) ([]byte, bool) {
	if len(line) < len(name) || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return line[len(name):], true
}
