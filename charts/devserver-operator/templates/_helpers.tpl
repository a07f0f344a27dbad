{{/*
There is one operator in a cluster, and everything of it has one name: a second
installation is refused by Helm before two operators contradict each other.
*/}}
{{- define "devserver-operator.selectorLabels" -}}
app.kubernetes.io/name: devserver-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "devserver-operator.labels" -}}
{{ include "devserver-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "devserver-gateway.selectorLabels" -}}
app.kubernetes.io/name: devserver-gateway
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/*
The Service that people use is the one whose component is gateway; the one for
metrics has another: include … (dict "root" $ "component" "metrics").
*/}}
{{- define "devserver-gateway.labels" -}}
{{- $root := .root | default . -}}
{{ include "devserver-gateway.selectorLabels" $root }}
app.kubernetes.io/component: {{ .component | default "gateway" }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/*
The seconds of a duration such as 10m, of one unit.
*/}}
{{- define "devserver-operator.seconds" -}}
{{- $number := regexFind "^[0-9]+" . -}}
{{- mul $number (get (dict "s" 1 "m" 60 "h" 3600) (trimPrefix $number .)) -}}
{{- end }}

{{/*
The reference of an image, by its short name: include … (list $ "agent").
*/}}
{{- define "devserver-operator.image" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- with $root.Values.images -}}
{{- index . $name | default (printf "%s/%s:%s" (trimSuffix "/" .registry) $name (.tag | default $root.Chart.AppVersion)) -}}
{{- end -}}
{{- end }}
