"""Downstream tasks: how labelled data is read, encoded, predicted from and scored."""
