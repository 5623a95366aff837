package page

// An Organization is the page on which a person says as whom, and for which organization, to go on to an application.
type Organization struct {
	Head
	Application string
	Choices     []Choice // organizations by id, "-" for none
	SwitchTo    string   // where somebody else signs in
}

// Template is the name of the page's file.
func (*Organization) Template() string { return "organization.html" }
