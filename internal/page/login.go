package page

// Login is the page on which people sign in.
type Login struct {
	Head
	Application string // for which somebody signs in; "": for our own pages
	Username    string // what was typed, or is likely
	Failed      string // why the last attempt did not work
	Passwords   bool   // people may sign in by password
	Connectors  []LoginConnector
}

// A LoginConnector is a provider by which people can sign in.
type LoginConnector struct{ Name, URL string }

// Template is the name of the page's file.
func (*Login) Template() string { return "login.html" }

// Link is the page behind a link that signs somebody in.
type Link struct {
	Head
	Name  string // whom it signs in
	Token string
}

// Template is the name of the page's file.
func (*Link) Template() string { return "link.html" }
