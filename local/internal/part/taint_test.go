package part

import "testing"

func TestParseTaint(t *testing.T) {
	for text, want := range map[string]Taint{
		"example.com/mine=yes:NoSchedule": {"example.com/mine", "yes", "NoSchedule"},
		"mine:NoExecute":                  {"mine", "", "NoExecute"},
		"mine=:PreferNoSchedule":          {"mine", "", "PreferNoSchedule"},
	} {
		if got, err := ParseTaint(text); err != nil || got != want {
			t.Errorf("%s: got %+v (%v), want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "mine", "mine=yes", "mine=yes:Never", "=yes:NoSchedule", "mine=a,b:NoSchedule", "mine=\"}:NoSchedule", "mine=yes:NoSchedule-"} {
		if got, err := ParseTaint(text); err == nil {
			t.Errorf("%q is parsed as %+v", text, got)
		}
	}
}

func TestTaintsInKubeletConfig(t *testing.T) {
	if got := listed(nil); got != "[]" {
		t.Errorf("none: %s", got)
	}
	want := `[{key: "example.com/mine", value: "yes", effect: "NoSchedule"}, {key: "other", value: "", effect: "NoExecute"}]`
	if got := listed([]Taint{{"example.com/mine", "yes", "NoSchedule"}, {"other", "", "NoExecute"}}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
