{{/*
A cluster has one operator. All of its objects have fixed names, so Helm refuses a
second installation, which would conflict with the first.
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
The Service that users connect to has the component gateway. The one for metrics has
its own: include … (dict "root" $ "component" "metrics").
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
The seconds of a duration with one unit, such as 10m.
*/}}
{{- define "devserver-operator.seconds" -}}
{{- $number := regexFind "^[0-9]+" . -}}
{{- mul $number (get (dict "s" 1 "m" 60 "h" 3600) (trimPrefix $number .)) -}}
{{- end }}

{{/*
The reference of the image with a short name: include … (list $ "agent"). There is no
default registry: the schema's message would not say what to do.
*/}}
{{- define "devserver-operator.image" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- with $root.Values.images -}}
{{- if not (or .registry (index . $name)) -}}
{{- fail "images.registry is required, because no public registry has the images: push them with make images REGISTRY=registry.example.com/devserver, then add --values dist/images/digests.yaml or --set images.registry=registry.example.com/devserver" -}}
{{- end -}}
{{- index . $name | default (printf "%s/%s:%s" (trimSuffix "/" .registry) $name (.tag | default $root.Chart.AppVersion)) -}}
{{- end -}}
{{- end }}

{{/*
A list as in a sentence: include "devserver-operator.sentence" (list "or" (list "a" "b" "c")).
*/}}
{{- define "devserver-operator.sentence" -}}
{{- $words := index . 1 -}}
{{- if gt (len $words) 1 -}}
{{- join ", " (initial $words) }} {{ index . 0 }} {{ end -}}
{{- last $words -}}
{{- end }}
