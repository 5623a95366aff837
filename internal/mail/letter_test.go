package mail

import (
	"context"
	"net"
	"net/textproto"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// LOG-16: what others have named adds no element to a mail, no line, and no direction.
func TestNamesInLettersAreOnlyText(t *testing.T) {
	hostile := "x<script>alert(1)</script>\"><img src=x onerror=alert(1)>\u202eevil\u2066\r\n\r\nhttps://evil.example/ \u2028{{.Link}}"
	render := func(name string) (text string, tags string) {
		l := Letter{Subject: "You are invited", Lines: []string{"You are invited to " + name + "."}, Button: "Look", Link: "https://id.example/invitation?token=t&a=b"}
		text, markup, err := l.render()
		if err != nil {
			t.Fatal(err)
		}
		doc, err := html.Parse(strings.NewReader(markup))
		if err != nil {
			t.Fatal(err)
		}
		for n := range doc.Descendants() {
			if n.Type == html.ElementNode {
				tags += n.Data + " "
				for _, a := range n.Attr {
					tags += a.Key + " "
				}
			}
		}
		return text, tags
	}
	wantText, want := render("acme")
	gotText, got := render(hostile)
	if got != want {
		t.Errorf("elements are %s, want %s", got, want)
	}
	if strings.ContainsAny(gotText, "\u202e\u2066\u2028\r") || strings.Count(gotText, "\n") != strings.Count(wantText, "\n") {
		t.Errorf("a name makes lines or turns them: %q", gotText)
	}
	if !strings.Contains(gotText, "https://id.example/invitation?token=t&a=b\n") {
		t.Errorf("the link does not stand alone: %q", gotText)
	}
}

// A server that offers no TLS gets no link, unless that was configured.
func TestNoLetterGoesInClear(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		text := textproto.NewConn(c)
		_ = text.PrintfLine("220 here")
		for {
			line, err := text.ReadLine()
			if err != nil {
				return
			}
			said <- line
			_ = text.PrintfLine("250 ok")
		}
	}()
	for _, mode := range []string{"starttls"} {
		s := SMTP{Server: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, From: "Gatehouse <id@gatehouse.example>", TLS: mode}
		err := s.Deliver(context.Background(), &Letter{To: "ann@acme.example", Subject: "s", Button: "b", Link: "https://id.example/x?token=t"})
		if err == nil || strings.Contains(err.Error(), "acme.example") {
			t.Errorf("%s: got %v, want a refusal that names nobody", mode, err)
		}
	}
	_ = l.Close()
	<-done
	close(said)
	for line := range said {
		if strings.HasPrefix(line, "MAIL") || strings.HasPrefix(line, "RCPT") || strings.Contains(line, "token") {
			t.Errorf("the server was told %q", line)
		}
	}
}
