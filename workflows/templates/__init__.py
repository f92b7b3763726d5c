"""WorkflowTemplates: what somebody starts from a form of Argo's UI, from CI, by an event or at a time of day."""
