package mail

import (
	"context"
	"errors"
	"fmt"
	"net"

	gomail "github.com/wneessen/go-mail"
)

// An SMTP is the server that takes our mail.
type SMTP struct {
	Server   string
	Port     int
	Username string // "": it asks for none
	Password string
	From     string // as in "Gatehouse <id@example.com>"
	TLS      string // starttls, tls, or none
}

// Deliver hands a letter to the server. Its error names no address.
func (s *SMTP) Deliver(ctx context.Context, l *Letter) error {
	text, html, err := l.render()
	if err != nil {
		return err
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := errors.Join(m.From(s.From), m.To(l.To)); err != nil {
		return errors.New("the address of the sender or the recipient cannot be written into a mail")
	}
	m.Subject(l.Subject)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5: nobody's absence is answered
	m.SetBodyString(gomail.TypeTextPlain, text)
	m.AddAlternativeString(gomail.TypeTextHTML, html)
	options := s.options()
	if s.TLS != "tls" { // the library leaves a connection open on which TLS does not begin
		var conn net.Conn
		defer func() {
			if conn != nil {
				_ = conn.Close()
			}
		}()
		options = append(options, gomail.WithDialContextFunc(func(ctx context.Context, network, address string) (_ net.Conn, err error) {
			conn, err = new(net.Dialer).DialContext(ctx, network, address)
			return conn, err
		}))
	}
	c, err := gomail.NewClient(s.Server, options...)
	if err != nil {
		return err
	}
	if err := c.DialAndSendWithContext(ctx, m); err != nil {
		var sending *gomail.SendError
		if errors.As(err, &sending) {
			return fmt.Errorf("the mail server refused it: %v (code %d)", sending.Reason, sending.ErrorCode())
		}
		return fmt.Errorf("mail server: %w", err)
	}
	return nil
}

func (s *SMTP) options() []gomail.Option {
	options := []gomail.Option{gomail.WithPort(s.Port)}
	switch s.TLS {
	case "tls":
		options = append(options, gomail.WithSSL())
	case "none":
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if s.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.Username), gomail.WithPassword(s.Password))
	}
	return options
}
