package suggest

import "testing"

func TestSimilar(t *testing.T) {
	names := []string{"trainer", "trailer", "web", "db", "notebook-ann", "notebook-bob"}
	cases := map[string]struct {
		reason string
		typed  string
		want   string
	}{
		"Swapped":   {"two letters changed places", "trianer", "trainer"},
		"OneOff":    {"the nearest wins", "traine", "trainer"},
		"Two":       {"both are equally near", "traier", "trailer or trainer"},
		"Beginning": {"every name that begins so", "notebook", "notebook-ann or notebook-bob"},
		"Short":     {"half of a short name may differ", "dd", "db"},
		"Far":       {"nothing is near", "gateway", ""},
		"TooShort":  {"one letter is near to everything", "x", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Similar(tc.typed, names); got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}
