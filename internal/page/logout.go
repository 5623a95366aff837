package page

// Logout asks whether the person wants to sign out: nobody who knows the person has asked for it.
type Logout struct {
	Head
	Action string // where the form goes
}

// Template is the name of the page's file.
func (*Logout) Template() string { return "logout.html" }

// SignedOut says that nobody is signed in in this browser any more.
type SignedOut struct{ Head }

// Template is the name of the page's file.
func (*SignedOut) Template() string { return "signed_out.html" }
