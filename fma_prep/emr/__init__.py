"""Ships the dependencies and submits the job."""
