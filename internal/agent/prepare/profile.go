package prepare

import _ "embed"

// Profile is the login profile's last snippet.
//
//go:embed profile.sh
var Profile string
