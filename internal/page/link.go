package page

// Link is the page behind a one-time link that needs nothing but a word: it uses the link when the button is pressed, and not before,
// since programs that examine mail open every link.
type Link struct {
	Head
	Action string // the path that the button leads to
	Token  string
	Lead   string
	Button string
	Name   string // of what the button is about, behind its text; "": nothing
}

// Template is the name of the page's file.
func (*Link) Template() string { return "link.html" }

// Forgot is the page on which people ask for a new password.
type Forgot struct {
	Head
	Failed string
	Sent   bool // it was asked for: the page says the same whether there is such an account or not
}

// Template is the name of the page's file.
func (*Forgot) Template() string { return "forgot.html" }

// Reset is the page on which somebody with a link chooses a new password.
type Reset struct {
	Head
	Token    string
	Username string
	Failed   string
}

// Template is the name of the page's file.
func (*Reset) Template() string { return "reset.html" }

// Invitation is the page on which somebody takes up what a link offers.
type Invitation struct {
	Head
	Token                 string
	Place, Path, Roles    string // what is offered; no Path: to run the installation
	Email                 string // whom it is for; "": whoever has the link
	Account               string // who is signed in and may accept; "": nobody
	New                   bool   // an account can be made here, with a password
	SignIn                string // the address at which somebody with an account signs in; "": none helps
	Username, DisplayName string // as typed
	Failed                string
}

// Template is the name of the page's file.
func (*Invitation) Template() string { return "invitation.html" }
