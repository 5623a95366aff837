package page

// Login is the page on which people sign in.
type Login struct {
	Head
	Application string // for which somebody signs in; "": for our own pages
	Username    string // what was typed, or is likely
	Failed      string // why the last attempt did not work
	Passwords   bool   // people may sign in by password
	Forgot      bool   // people may ask for a new one by mail
	Connectors  []LoginConnector
}

// A LoginConnector is a provider by which people can sign in.
type LoginConnector struct{ Name, URL string }

// Template is the name of the page's file.
func (*Login) Template() string { return "login.html" }
