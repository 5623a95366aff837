package apptest

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// A Login is what a person signs in with.
type Login struct{ Name, Password string }

// A Journey is the way of a browser through a broker.
type Journey struct {
	Shown []string   // the ids of the buttons that were pressed on the way: login-submit, consent-accept
	To    *url.URL   // where the broker sent the browser; nil: it was shown a page of the broker's
	Form  url.Values // what the browser posts there; nil: it just goes
	Page  Answer     // the last answer of the broker
}

var postedForm = regexp.MustCompile(`<form method="post" action="([^"]+)">`)

// Travel opens an address or path of the broker and does what a person would, who signs in when asked to and allows what an
// application asks for, until the browser is sent away or sees something else. No step is done twice.
func (v *Visitor) Travel(to string, who Login) Journey {
	v.t.Helper()
	return v.TravelOn(v.Get(strings.TrimPrefix(to, v.at.URL)), who)
}

// TravelOn is Travel from an answer of the broker's.
func (v *Visitor) TravelOn(a Answer, who Login) Journey {
	v.t.Helper()
	var j Journey
	pressed := func(id string) bool {
		if !strings.Contains(a.Body, `id="`+id+`"`) || slices.Contains(j.Shown, id) {
			return false
		}
		j.Shown = append(j.Shown, id)
		return true
	}
	for range 20 {
		j.Page = a
		switch to := a.Header.Get("Location"); {
		case a.Status >= 300 && a.Status < 400 && to != "":
			u, err := v.url("/").Parse(to)
			if err != nil {
				v.t.Fatalf("sent to %s: %v", to, err)
			}
			if u.Scheme+"://"+u.Host != v.at.URL {
				j.To = u
				return j
			}
			a = v.Get(u.RequestURI())
		case a.Status == http.StatusOK && strings.Contains(a.Body, `id="form-post-continue"`):
			u, err := url.Parse(html.UnescapeString(postedForm.FindStringSubmatch(a.Body)[1]))
			if err != nil {
				v.t.Fatal(err)
			}
			j.To, j.Form = u, url.Values{}
			for _, field := range hiddenInput.FindAllStringSubmatch(a.Body, -1) {
				j.Form.Add(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
			}
			return j
		case pressed("login-submit"):
			a = v.Submit(a, "/login", "username", who.Name, "password", who.Password)
		case pressed("consent-accept"):
			a = v.Submit(a, "/consent", "decision", "accept")
		default:
			return j
		}
	}
	v.t.Fatal("sent around in circles")
	return j
}

// AddPerson creates a user with a password and every claim that OpenID Connect Core §5.1 knows.
func (b *Broker) AddPerson(name string) Login {
	b.T.Helper()
	who := Login{name, "correct horse battery staple of " + name}
	_, err := b.API().CreateUser(context.Background(), apiv1.NewUser{Name: name, UserSpec: apiv1.UserSpec{
		Email: name + "@acme.example", EmailVerified: true, Password: &apiv1.SecretRef{Value: who.Password},
		Claims: map[string]any{
			"name": "Ada Lovelace", "family_name": "Lovelace", "given_name": "Ada", "middle_name": "King", "nickname": "countess",
			"profile": "https://acme.example/ada", "picture": "https://acme.example/ada.png", "website": "https://ada.example", "gender": "female",
			"birthdate": "1815-12-10", "zoneinfo": "Europe/London", "locale": "en-GB",
			"address":      map[string]any{"street_address": "12 St James's Square", "locality": "London", "country": "GB"},
			"phone_number": "+44 20 7946 0000", "phone_number_verified": true,
		},
	}})
	if err != nil {
		b.T.Fatal(err)
	}
	return who
}

// AddClient creates an application and returns its secret, "" for a public one.
func (b *Broker) AddClient(id string, spec apiv1.ClientSpec) string {
	b.T.Helper()
	spec.ClientID = id
	made, err := b.API().CreateClient(context.Background(), apiv1.NewClient{Name: id, ClientSpec: spec})
	if err != nil {
		b.T.Fatal(err)
	}
	if made.Secret == nil {
		return ""
	}
	return made.Secret.Value
}
