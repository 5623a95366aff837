package config

import (
	"net/mail"
	"strings"
)

// Off reports whether no mail is sent.
func (m Mail) Off() bool { return m.Server == "" }

func (l *loader) checkMail() {
	m := l.config.Mail
	if m.Off() {
		for _, set := range []struct {
			key string
			is  bool
		}{{"mail.username", m.Username != ""}, {"mail.password", m.Password != ""}, {"mail.from", m.From != ""}} {
			if set.is {
				l.fault(set.key, "is set while mail.server is not")
			}
		}
		return
	}
	if strings.ContainsAny(m.Server, " /@\\") || strings.Count(m.Server, ":") == 1 {
		f, _ := l.field("mail.server")
		l.fault(f.key, "%s: want %s", quote(m.Server), f.limit())
	}
	if a, err := mail.ParseAddress(m.From); err != nil || strings.ContainsAny(a.Name, "\r\n") {
		f, _ := l.field("mail.from")
		l.fault(f.key, "%s is no address: want %s", quote(m.From), f.limit())
	}
	if (m.Username == "") != (m.Password == "") {
		l.fault("mail.password", "mail.username and mail.password go together")
	}
	if m.TLS == "none" && !l.config.Dev && !isLoopback(m.Server) {
		l.fault("mail.tls", "none sends links that open accounts over the network in clear: want starttls or tls")
	}
}
