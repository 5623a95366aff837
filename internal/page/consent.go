package page

// A Consent is the page on which a person lets an application have what it asks for, or does not.
type Consent struct {
	Head
	Application  string // as it is registered
	Site         string // where the answer goes
	Organization string // that the application will see the person in; "": in none
	Asks         []Ask
	SwitchTo     string // where somebody else signs in
}

// An Ask is something that an application asks for, in plain words.
type Ask struct {
	Words string
	Scope string // its name, where that is all there is to say
}

// Template is the name of the page's file.
func (*Consent) Template() string { return "consent.html" }
