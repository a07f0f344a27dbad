package reach

import (
	"errors"
	"testing"
)

func TestExplainFailure(t *testing.T) {
	for complaints, want := range map[string]string{
		"subsystem request failed on channel 0":               "the agent is too old to report them; a restart brings the current one",
		"Warning: x\ndev@h: Permission denied (publickey).\n": "ssh: dev@h: Permission denied (publickey).",
		"": "ssh failed: exit status 255",
	} {
		if got := explainFailure(complaints, errors.New("exit status 255")).Error(); got != want {
			t.Errorf("%q: got %q, want %q", complaints, got, want)
		}
	}
}
