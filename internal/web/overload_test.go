package web_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/web"
)

// drive sends requests over conns connections for length: rate of them a second whether or not answers come, or, with rate 0, the
// next one of a connection when the one before is answered. It returns the times from when each was due to its answer of 200,
// and how many were refused.
func drive(b *testing.B, addr string, conns, rate int, length time.Duration) (served []time.Duration, refused int) {
	request := fmt.Sprintf("POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", formType, len(tokenForm), tokenForm)
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := time.Now()
	for c := range conns {
		wg.Go(func() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			answers := bufio.NewReader(conn)
			var times []time.Duration
			no := 0
			gap := time.Duration(0)
			if rate > 0 {
				gap = time.Second * time.Duration(conns) / time.Duration(rate)
			}
			due := start.Add(gap * time.Duration(c) / time.Duration(conns))
			for due.Sub(start) < length {
				time.Sleep(time.Until(due))
				if rate == 0 || time.Since(due) > gap {
					due = time.Now() // a connection that is behind does not make up for it
				}
				if _, err := io.WriteString(conn, request); err != nil {
					b.Error(err)
					return
				}
				status, err := skipAnswer(answers)
				switch {
				case err != nil:
					b.Error(err)
					return
				case status == http.StatusOK:
					times = append(times, time.Since(due))
				default:
					no++
				}
				due = due.Add(gap)
				if rate == 0 {
					due = time.Now()
				}
			}
			mu.Lock()
			defer mu.Unlock()
			served, refused = append(served, times...), refused+no
		})
	}
	wg.Wait()
	return served, refused
}

// skipAnswer reads one answer and returns its status, as cheaply as may be: the load shares the machine with the server.
func skipAnswer(r *bufio.Reader) (status int, err error) {
	length := 0
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		switch {
		case err != nil:
			return 0, err
		case first:
			status, _ = strconv.Atoi(string(line[9:12]))
		case len(line) == 2:
			_, err = r.Discard(length)
			return status, err
		case strings.HasPrefix(string(line), "Content-Length: "):
			length, _ = strconv.Atoi(string(line[16 : len(line)-2]))
		}
	}
}

// A server whose handler signs like a token endpoint, over loopback: its capacity (16 connections that wait for each answer),
// 256 of the same, a quarter of the capacity, and 4 times as much on 2,048 connections, which is more than may wait. The load runs on the same processors and
// takes its share, and so does refusing: goodput is what is left for the work. The times include the load's own waits for a
// processor, so they compare two versions of the server and do not say what a client elsewhere would see.
func BenchmarkOverload(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := make([]byte, 32)
	limiter := web.NewLimiter("token")
	router := newRouter(b, web.RouterConfig{Log: slog.NewJSONHandler(io.Discard, nil), Metrics: web.NewMetrics()}, web.Route{
		Methods: []string{"POST"}, Path: "/oauth/token", Limit: limiter, Form: &web.FormOptions{},
		Handler: func(w http.ResponseWriter, _ *http.Request) error {
			for range 3 {
				if _, err := ecdsa.SignASN1(rand.Reader, key, digest); err != nil {
					return err
				}
			}
			return web.JSON(w, 200, map[string]string{"access_token": "x"})
		},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- web.Serve(ctx, web.NewServer(router, nil, web.Limits{}, slog.DiscardHandler), l, web.Drain{Timeout: time.Second})
	}()
	addr := l.Addr().String()
	const length = time.Second
	var capacity, many, goodput, shed, quiet, busy float64
	for b.Loop() {
		full, refused := drive(b, addr, 16, 0, length)
		if refused > 0 {
			b.Errorf("%d of 16 connections' requests were refused", refused)
		}
		crowd, _ := drive(b, addr, 256, 0, length)
		alone, _ := drive(b, addr, 16, len(full)/4, length)
		over, no := drive(b, addr, 2048, 4*len(full), length)
		capacity += float64(len(full))
		many += float64(len(crowd)) / float64(len(full))
		goodput += float64(len(over)) / float64(len(full))
		shed += float64(no) / float64(len(full))
		quiet += float64(p99(alone).Microseconds())
		busy += float64(p99(over).Microseconds())
	}
	n := float64(b.N)
	b.ReportMetric(capacity/n, "capacity/s")
	b.ReportMetric(many/n, "kept-at-256")
	b.ReportMetric(goodput/n, "goodput-at-4x")
	b.ReportMetric(shed/n, "refused-at-4x")
	b.ReportMetric(quiet/n, "p99-quiet-µs")
	b.ReportMetric(busy/n, "p99-at-4x-µs")
	b.ReportMetric(0, "ns/op")
	stop()
	if err := <-ended; err != nil {
		b.Error(err)
	}
}
