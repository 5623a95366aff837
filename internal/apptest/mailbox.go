package apptest

import (
	"bufio"
	"net"
	"net/mail"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// A Mailbox is an SMTP server (RFC 5321) that keeps what it is given. It offers neither TLS nor authentication.
type Mailbox struct {
	t        testing.TB
	listener net.Listener
	mails    chan Mail
}

// A Mail is what a Mailbox was given.
type Mail struct {
	To      string // of the envelope
	Header  mail.Header
	Content string // everything below the header, as it was sent
}

// NewMailbox starts a mailbox that ends with the test.
func NewMailbox(t testing.TB) *Mailbox {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &Mailbox{t: t, listener: l, mails: make(chan Mail, 100)}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go m.serve(c)
		}
	}()
	return m
}

// Option makes a broker send its mail here.
func (m *Mailbox) Option() Option {
	_, port, _ := net.SplitHostPort(m.listener.Addr().String())
	return func(o *options) {
		o.set = append(o.set, "mail.server=127.0.0.1", "mail.port="+port, "mail.tls=none", "mail.from=Gatehouse <id@gatehouse.example>")
	}
}

func (m *Mailbox) serve(c net.Conn) {
	defer c.Close()
	text := textproto.NewConn(c)
	say := func(line string) { _ = text.PrintfLine("%s", line) }
	say("220 mailbox")
	to := ""
	for {
		line, err := text.ReadLine()
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch verb {
		case "EHLO", "HELO", "MAIL", "NOOP", "RSET":
			say("250 ok")
		case "RCPT":
			to = strings.Trim(line[strings.Index(line, "<"):], "<>")
			say("250 ok")
		case "DATA":
			say("354 go on")
			data, err := text.ReadDotBytes()
			if err != nil {
				return
			}
			read, err := mail.ReadMessage(bufio.NewReader(strings.NewReader(string(data))))
			if err != nil {
				m.t.Errorf("not a mail: %v", err)
				return
			}
			var content strings.Builder
			_, _ = bufio.NewReader(read.Body).WriteTo(&content)
			m.mails <- Mail{To: to, Header: read.Header, Content: content.String()}
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("502 no")
		}
	}
}

// Next waits for a mail.
func (m *Mailbox) Next() Mail {
	m.t.Helper()
	select {
	case got := <-m.mails:
		return got
	case <-time.After(20 * time.Second):
		m.t.Fatal("no mail came")
		return Mail{}
	}
}

// Len returns how many mails wait.
func (m *Mailbox) Len() int { return len(m.mails) }
