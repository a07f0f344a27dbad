package prepare

import _ "embed"

// Profile is the file at agentapi.ProfilePath, a shell script.
//
//go:embed profile.sh
var Profile string
